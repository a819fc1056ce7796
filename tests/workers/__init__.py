"""The change feed under real servers with several worker processes.

    pip install --group servers
    pytest tests/workers                                        # the short form, two minutes
    FSC_TRIALS=200 FSC_FIGURES=figures.jsonl pytest tests/workers/test_trials.py

`test_trials` measures how long a change from outside takes until every worker shows it, and counts
what workers read of the store. `test_harm` kills, stops and replaces workers in the middle.
PostgreSQL and Redis are used where they answer.

`app_flask`, `app_quart` and `app_django` are the served apps, over a store that counts
(`counted`); `servers` starts them, and `trials` asks the workers.
"""
