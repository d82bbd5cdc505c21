#!/bin/bash
# Features of a large dataset by the jobs of a Slurm array, without a scheduler of Dask. Each job computes every
# N-th volume of the store:
#
#     sbatch --array=0-15 slurm-array.sh s3://my-bucket/music s3://my-bucket/music.zarr --chunk 10 --dtype uint8
#
# The array begins at 0. To continue after jobs have failed, submit the same array again.
#SBATCH --job-name=audiospec
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=08:00:00
set -euo pipefail

data=$1
store=$2
shift 2

# source ~/venv/bin/activate # where audiospec is installed, the same versions on all nodes
exec audiospec featurize folder --data "$data" --store "$store" --workers "$SLURM_CPUS_PER_TASK" \
    --part "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --quiet "$@"
