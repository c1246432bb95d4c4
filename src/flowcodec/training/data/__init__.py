"""What trainings learn from: pictures, crops, clips, pairs with known flow, generated scenes."""
