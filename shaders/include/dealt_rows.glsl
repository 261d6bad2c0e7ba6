// Which row of tiles a workgroup takes. Include scene.glsl before.
//
// A CPU's driver gives each core an equal share of the workgroups, all of them beside each other. Taken as they come, one core
// might have the face to itself and the others none of it. So rows are dealt out (app/passes/dealt_rows.py). On a GPU, which
// shares out as it goes, rows are taken as they come.
#ifndef DEALT_ROWS_GLSL
#define DEALT_ROWS_GLSL

#include "truncated.glsl"

// ((n + over) * stride) % modulus - over, without the integer division that CPU drivers make thread by thread.
uint dealt_row(uint n, uint rows)
{
    int over = int(frame.row_modulus - rows);
    int at = (int(n) + over) * int(frame.row_stride);
    return uint(at - int(frame.row_modulus) * truncated((float(at) + 0.5) / float(frame.row_modulus)) - over);
}

// The tile (x, y) of a workgroup, where these are as many as there are tiles.
#define DEALT_TILE uvec2(gl_WorkGroupID.x, dealt_row(gl_WorkGroupID.y, gl_NumWorkGroups.y))
#endif
