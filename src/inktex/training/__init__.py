"""Training: recipes, planned batches, the tasks with their losses, and the Accelerate loop."""

from inktex.extras import require

require("train", "Training", "accelerate", "datasets", "yaml")
