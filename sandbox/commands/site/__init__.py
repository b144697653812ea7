"""``sandbox report --site`` and ``--serve``: a project's history and status as pages."""
