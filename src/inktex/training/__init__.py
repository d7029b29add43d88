"""Training: batches, objectives and the Accelerate loop."""

from inktex.extras import require

require("train", "Training", "accelerate", "datasets", "yaml")
