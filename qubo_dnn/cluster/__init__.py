"""Work on several processes or machines: Dask, and executors of the kind of `concurrent.futures`."""
