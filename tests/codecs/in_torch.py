"""image-cnn as it is trained, where a coder has graphs of it."""

import torch

from flowcodec.codecs.systems.image_cnn import ImageCnnModel
from flowcodec.training.networks import restored


class TorchModel(ImageCnnModel):
    """A `PictureModel` whose networks run in torch."""

    def __init__(self, weights):
        super().__init__(weights, "cpu", 1)
        self.network = restored(weights)

    @torch.no_grad()
    def analyse(self, pixels, quality):
        x = torch.tensor(pixels).permute(2, 0, 1)[None] / 255
        y, gain = self.network.analyse(x, torch.tensor([quality / 1000]))
        return y[0].numpy(), gain[0].numpy()

    @torch.no_grad()
    def hyper_analyse(self, y, quality):
        found = self.network.hyper_analyse(torch.tensor(y)[None], torch.tensor([quality / 1000]))
        return found[0].long().numpy()

    @torch.no_grad()
    def synthesise(self, y, quality):
        latents = torch.tensor(y, dtype=torch.float32)[None]
        x = self.network.synthesise(latents, torch.tensor([quality / 1000]))[0].float()
        return (x.permute(1, 2, 0) * 255).round().clamp(0, 255).byte().numpy()
