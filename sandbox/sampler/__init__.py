"""Draw reproducible, stratified, referentially complete samples of a source, as Parquet.

`plan.planner.plan_sample` inspects the source and returns a `plan.plan.SamplePlan`; `draw.draw.draw_sample` draws it
into the store of `sandbox.samples`, which is light to import.
"""
