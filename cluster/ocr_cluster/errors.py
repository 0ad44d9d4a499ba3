"""What can go wrong with the embedded cluster, in words for whoever typed the command.

ClusterError
├── StartError    a component did not come up; its log's last lines are in the message
├── NodeBusy      another checkout's node runs on this machine
└── BuildError    a tool, a package or an image could not be made
"""


class ClusterError(Exception):
    """Everything that this package raises on purpose."""


class StartError(ClusterError):
    """A component ended or was not ready in time."""


class NodeBusy(ClusterError):
    """The machine's one node belongs to somebody else."""


class BuildError(ClusterError):
    """A command that builds something failed; its last words are the message."""
