"""How far each image is from the decision boundary, and which class lies behind it."""
