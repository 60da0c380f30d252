"""How near two results must come, by the kind of comparison. All are relative where nothing else is said."""

# One computation done in two ways.
DOUBLE_TWINS = 1e-10  # absolute: a compiled kernel beside the plain one, in double precision
SINGLE = 1e-5  # single precision, with sums in another order
HALF = 5e-4  # absolute, in embeddings of length 1: weights that are stored in half precision
SAME_FACES = 0.999  # share of the pixels at which two rasterisers find the same face; they round at edges
DEVICES = 0.02  # losses after a few steps on two devices

# A derivative beside a central difference.
SMOOTH = 1e-5  # of a smooth function, in double precision
AT_A_VERTEX = 1e-4  # of a rendering in double precision, while no pixel changes hands
RECTIFIED = 1e-3  # of a network, which has kinks, in double precision
SMOOTH_PATCHES = 0.01  # of a smooth loss in single precision, as parts of the face move; of their common length
PATCHES = 0.15  # of a loss on the rendering, likewise: some pixels change hands, above all at the lips

# A derivative added up along a path beside the difference between the path's ends.
NUMERIC = 0.005  # of a smooth loss in single precision
COLOURS = 0.03  # light or texture changes, and every pixel keeps its face: only kinks are left
HEAD_MOVES = 0.03  # a smooth head moves and pixels change hands at its outline; a double precision rendering
CAMERA_MOVES = 0.05  # the same, by a camera that also turns
FACE_MOVES = 0.08  # a whole face moves, whose nose and lids lie before other parts of it; pixels are compared
FACE_MOVES_SEEN = 0.15  # the same as a recogniser sees it, which feels every pixel that jumps
