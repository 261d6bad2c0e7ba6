// Which part's which triangle a hit is: that of primitives[custom index of the instance + number of the primitive].
layout(set = 0, binding = SLOT_PRIMITIVES, scalar) readonly buffer Primitives { Primitive primitives[]; };
