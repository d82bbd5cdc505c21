"""Features by Dask workers that are jobs of Slurm: python slurm-dask.py DATA STORE --jobs 10 --cores 16."""

import argparse

from dask_jobqueue import SLURMCluster

import audiospec


def main() -> None:
    """Start a scheduler here and workers as jobs, and featurize a folder with them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="folder of audio, which all nodes see")
    parser.add_argument("store", help="store to make or to add to, which all nodes see")
    parser.add_argument("--chunk", type=float, default=10.0, help="seconds")
    parser.add_argument("--jobs", type=int, default=10)
    parser.add_argument("--cores", type=int, default=16, help="of each job")
    parser.add_argument("--memory", default="32GiB", help="of each job")
    parser.add_argument("--walltime", default="08:00:00")
    parser.add_argument("--interface", help="network of the nodes, such as ib0")
    options = parser.parse_args()
    cluster = SLURMCluster(
        cores=options.cores,  # one worker a job, with a slot for each core
        processes=1,
        memory=options.memory,
        walltime=options.walltime,
        interface=options.interface,
    )
    with cluster:
        print(cluster.job_script())
        cluster.scale(jobs=options.jobs)
        view = audiospec.featurize(
            "folder",
            data=options.data,
            spec=audiospec.MelSpec(dtype="uint8"),
            chunk=options.chunk,
            store=options.store,
            engine=audiospec.engine("dask", scheduler=cluster.scheduler_address, timeout=3600),
        )
        print(f"{view.name}: {len(view)} rows")


if __name__ == "__main__":
    main()
