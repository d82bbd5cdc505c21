"""resnet18-gru: ResNet-18 trained on ImageNet, then two GRU layers (the study's transfer model)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor, nn

from audiospec.errors import ModelError
from audiospec.zoo.base import models
from audiospec.zoo.models.networks.transfer import TransferModel


@models.register
class Resnet18Gru(TransferModel):
    """K. He et al., *Deep residual learning for image recognition*, CVPR 2016, as torchvision provides it."""

    first = "conv1"

    def backbone(self) -> nn.Module:
        """Return ResNet-18 without its pooling and its classifier."""
        from torchvision.models import resnet18

        net = resnet18(weights=None)
        old = net.conv1
        net.conv1 = nn.Conv2d(1, old.out_channels, 7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")  # as torchvision does
        return nn.Sequential(
            OrderedDict(
                (name, layer) for name, layer in net.named_children() if name not in ("avgpool", "fc")
            )
        )

    def imagenet(self) -> Mapping[str, Tensor]:
        """Return torchvision's weights, which are downloaded once."""
        from torchvision.models import ResNet18_Weights

        try:
            weights: Mapping[str, Tensor] = ResNet18_Weights.IMAGENET1K_V1.get_state_dict(
                progress=False, check_hash=True, weights_only=True
            )
        except (OSError, RuntimeError) as error:  # OSError: network or disk; RuntimeError: wrong digest
            reason = " ".join(str(error).split())[:120]
            raise ModelError(
                f"the ImageNet weights of resnet18-gru cannot be downloaded ({reason})",
                'give a file of them with `weights="FILE"`, or start from random ones with `weights="none"`',
            ) from error
        return weights
