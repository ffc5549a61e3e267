"""The Celery worker: queue settings, tasks, attempts, and the worker process."""
