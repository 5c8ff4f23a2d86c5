"""One module for each figure, and what they share."""

FIGURES = (
    "task",
    "loss_curves",
    "loss_parts",
    "penalty_left",
    "feature_trends",
    "verdict_map",
    "crossing",
    "segmentation",
    "coordinate_check",
    "best_learning_rates",
    "rate_budgets",
    "depth_trend",
    "speed",
)
