"""Read a view of a store in a bucket as training does: python stream.py s3://my-bucket/music.zarr."""

import sys

from torch.utils.data import DataLoader

import audiospec


def main(store: str) -> None:
    """Print how many rows each of two epochs has."""
    stream = audiospec.open_store(store).view("mel-10s").stream(seed=0)
    loader = DataLoader(
        stream, batch_size=64, num_workers=2, multiprocessing_context="forkserver", persistent_workers=True
    )
    for epoch in range(2):
        stream.set_epoch(epoch)  # each epoch has an order of its own
        rows = 0
        for features, classes in loader:  # float32 (64, mel bins, frames), and class numbers
            assert len(features) == len(classes)  # train here
            rows += len(features)
        print(f"epoch {epoch}: {rows} rows of {len(stream.classes)} classes")


if __name__ == "__main__":  # loader workers import this file
    main(sys.argv[1])
