// The number of a thread in its workgroup. Any order will do for those who share out work among themselves.
//
// A CPU's driver works out gl_LocalInvocationIndex, and what goes with it, by two dozen divisions for every 8 threads.
// The number of a subgroup is a loop's counter there: with FULL_SUBGROUPS (`Device.compute_pipeline`) nothing is divided.
#ifndef OWN_THREAD_GLSL
#define OWN_THREAD_GLSL

#ifdef FULL_SUBGROUPS
#define OWN_THREAD (gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID)
#else
#define OWN_THREAD gl_LocalInvocationIndex
#endif

// Of a workgroup that is a square of pixels, `edge` of them along its sides.
uvec2 own_position(uint edge) { return uvec2(OWN_THREAD % edge, OWN_THREAD / edge); }
#endif
