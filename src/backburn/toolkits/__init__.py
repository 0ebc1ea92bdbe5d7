"""Files of other toolkits, read and written."""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

__all__ = [
    "backdoor_issue",
    "label_samples",
    "read_backdoor_toolbox",
    "read_backdoorbench",
    "register_backdoor_issue",
    "suspects_to_cleanlab",
]

if TYPE_CHECKING:
    from .backdoor_toolbox import read_backdoor_toolbox
    from .backdoorbench import read_backdoorbench
    from .cleanlab import backdoor_issue, register_backdoor_issue, suspects_to_cleanlab
    from .fiftyone import label_samples
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "backdoor_issue": ".cleanlab",
            "label_samples": ".fiftyone",
            "read_backdoor_toolbox": ".backdoor_toolbox",
            "read_backdoorbench": ".backdoorbench",
            "register_backdoor_issue": ".cleanlab",
            "suspects_to_cleanlab": ".cleanlab",
        },
    )
