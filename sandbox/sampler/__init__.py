"""Reproducible, stratified, referentially complete samples of a source, in Parquet.

Three steps: `survey.survey` looks at the source and gives a `plan.Plan`; `draw.draw` carries it out into the store;
`kept` finds what is stored, and `verify` checks it. `specification.request_id` names what a project asks for without a
source. Whoever only needs what is stored imports `kept`, which is light.
"""
