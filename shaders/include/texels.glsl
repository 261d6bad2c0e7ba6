// Bindings of kind "texels", buffers that are read four floats at a time: TEXELS declares one, texel reads of it. CPU drivers
// fetch a texel as fast as one float of a storage buffer (TEXEL_BUFFERS: `DeviceInfo.macros`).
#ifndef TEXELS_GLSL
#define TEXELS_GLSL

#ifdef TEXEL_BUFFERS
#define TEXELS(slot, name) layout(set = 0, binding = slot) uniform samplerBuffer name
#define texel(name, index) texelFetch(name, int(index))
#else
#define TEXELS(slot, name) layout(set = 0, binding = slot, std430) readonly buffer name##_buffer { vec4 name[]; }
#define texel(name, index) name[index]
#endif
#endif
