"""Which networks act? Controllers and players."""

import torch
import torch.nn.functional as F
from torch import nn

from . import network
from .blocks import conv2d, mlp


@network((12,))
def tanh_actor() -> nn.Module:
    return mlp(12, 32, 32, 4, act=nn.Tanh, last=nn.Tanh())


class Gaussian(nn.Module):
    """Mean and deviation of an action (Haarnoja et al., 2018), observations normalised inside."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.randn(17))
        self.register_buffer("var", torch.rand(17) + 0.2)
        self.body, self.mu, self.log_std = mlp(17, 48, 48, last=nn.ReLU()), nn.Linear(48, 6), nn.Linear(48, 6)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.clamp((x - self.mean) / torch.sqrt(self.var + 1e-8), -5, 5)
        h = self.body(x)
        return torch.tanh(self.mu(h)), torch.exp(torch.clamp(self.log_std(h), -5, 2))


@network((17,))
def gaussian_actor() -> nn.Module:
    return Gaussian()


class Dueling(nn.Module):
    """A state's value, and what each action adds to it (Wang et al., 2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(4, 12, 4, 2), nn.ReLU(), nn.Conv2d(12, 16, 3), nn.ReLU(), nn.Flatten()
        )
        self.value, self.advantage = nn.LazyLinear(1), nn.LazyLinear(5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.body(x / 255)
        advantage = self.advantage(h)
        q: torch.Tensor = self.value(h) + advantage - advantage.mean(1, keepdim=True)
        return q


@network((4, 20, 20))
def dueling_dqn() -> nn.Module:
    return Dueling()


class ActorCritic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.actor, self.critic = mlp(8, 32, last=nn.Tanh()), nn.Linear(32, 4), nn.Linear(32, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = self.body(x)
        return F.log_softmax(self.actor(h), -1), self.critic(h)


@network((8,))
def actor_critic() -> nn.Module:
    return ActorCritic()


class ImageAndState(nn.Module):
    """A camera, and the robot's own state beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.camera = nn.Sequential(conv2d(3, 8, 5, 2), conv2d(8, 16, 3, 2), nn.Flatten())
        self.head = nn.Sequential(nn.LazyLinear(32), nn.LayerNorm(32), nn.SiLU(), nn.Linear(32, 2), nn.Tanh())

    def forward(self, image: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        action: torch.Tensor = self.head(torch.cat([self.camera(image), state], -1))
        return action


@network((3, 24, 24), (6,))
def camera_and_state() -> nn.Module:
    return ImageAndState()


class Critic(nn.Module):
    """The smaller of two estimates for a state and an action."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = mlp(12, 24, 1, act=nn.ELU), mlp(12, 24, 1, act=nn.ELU)

    def forward(self, state: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        x = torch.cat([state, action], 1)
        return torch.minimum(self.first(x), self.second(x))


@network((9,), (3,))
def twin_critic() -> nn.Module:
    return Critic()


class Allowed(nn.Module):
    """Probabilities of the actions that a second input allows."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mlp(10, 32, 6)

    def forward(self, x: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.body(x)
        return scores.masked_fill(allowed < 0, -1e9).softmax(-1)


@network((10,), (6,))
def allowed_actions() -> nn.Module:
    return Allowed()


class Heading(nn.Module):
    """Where to go, as an angle, and how fast."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mlp(9, 32, 32, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        across, up, speed = self.body(x).unbind(1)
        return torch.atan2(up, across), F.softplus(speed)


@network((9,))
def heading() -> nn.Module:
    return Heading()
