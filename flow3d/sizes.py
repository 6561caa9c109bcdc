"""Numbers that many files share; each is written here and nowhere else."""

EXPRESSION_COUNT = 64  # expression coefficients
POSE_COUNT = 9  # rotation, translation and crop, three each; they follow the expressions
COEFFICIENT_COUNT = EXPRESSION_COUNT + POSE_COUNT  # 73 motion coefficients of a frame (paper, section 3.1)
IDENTITY_COUNT = 80  # identity coefficients of a head
ANSWER_COUNT = COEFFICIENT_COUNT + IDENTITY_COUNT  # 153: all that a regressor predicts for a frame
RADIUS = 13  # frames of a window on either side of its middle one
WINDOW = 2 * RADIUS + 1  # 27 frames
WINDOW_SHAPE = (COEFFICIENT_COUNT, WINDOW)
CROP_FRAME = 256  # pixels: crop shifts and landmarks are given in a frame of this side, for images of any size
