// Where a warp reads: positions become, tile by tile, the weights of eight corners.
//
// A tile is a piece of a line of output voxels. All eight corners of a voxel lie inside the volume.
#pragma once

#include "common.hpp"

namespace flow3d {
namespace {

constexpr int TILE = 64;  // voxels

struct Sizes {
    Index B, C, D, H, W;
    Index voxels() const { return D * H * W; }
};

template <class T>
struct Flow {
    const T* values;
    Index axis, voxel;  // strides; samples are dense
    const T* mask;      // or null
    bool border;
};

// One axis of a tile: the lower of two neighbours inside the volume, both weights, and their slopes along the axis.
template <class T>
struct Axis {
    T first[TILE], weight[2][TILE], slope[2][TILE];
};

template <class T>
struct Tile {
    int count;
    int corners;          // 8; or 4, those of the only slice
    T keep[TILE];         // 0 where a position is no number
    T mask[TILE];         // 1 where there is none
    Index cell[TILE];     // voxel of the first corner
    T weight[8][TILE];    // z slowest, x fastest
    T along[3][8][TILE];  // of each corner, the slope of its weight along x, y, z
    Axis<T> axes[3];
};

// Both neighbours' weights, by the reference's formula: clamped with slope 0 at and beyond both ends, 0 outside.
template <class T>
void place(const T* position, int count, Index size, bool border, Axis<T>& axis) {
    const T last = T(size - 1), low = border ? T(0) : T(-2), high = border ? last : T(size + 1);
    const T top = size > 1 ? last - 1 : T(0);
    for (int i = 0; i < count; ++i) {
        const T p = position[i];
        const T above_low = p > low ? p : low, q = above_low < high ? above_low : high;
        const T below = std::floor(q), share = q - below, slope = (p > low && p < high) ? T(1) : T(0);
        const bool inside = (below >= 0) & (below <= last), next_inside = (below >= -1) & (below < last);
        const T lower = inside ? 1 - share : T(0), upper = next_inside ? share : T(0);
        const T fall = inside ? -slope : T(0), rise = next_inside ? slope : T(0);
        const T not_negative = below > 0 ? below : T(0), first = not_negative < top ? not_negative : top;
        // The pair (first, first + 1) is the pair found, or one of the two where the other is outside.
        const bool same = below == first, shifted = below < first;
        axis.first[i] = first;
        axis.weight[0][i] = same ? lower : shifted ? upper : T(0);
        axis.weight[1][i] = same ? upper : shifted ? T(0) : lower;
        axis.slope[0][i] = same ? fall : shifted ? rise : T(0);
        axis.slope[1][i] = same ? rise : shifted ? T(0) : fall;
    }
}

// The same on an axis of one voxel whose border is repeated: it is read from anywhere.
template <class T>
void hold(int count, Axis<T>& axis) {
    for (int i = 0; i < count; ++i) {
        axis.first[i] = axis.weight[1][i] = axis.slope[0][i] = axis.slope[1][i] = 0;
        axis.weight[0][i] = 1;
    }
}

// Find where the voxels (x .. x + count, y, z) of sample b read; `slopes` asks for the weights' slopes too.
template <class T>
void locate(Tile<T>& tile, const Sizes& size, const Flow<T>& flow, Index b, Index z, Index y, Index x, int count,
            bool slopes) {
    const Index voxel = (z * size.H + y) * size.W + x, voxels = size.voxels();
    const T* from = flow.values + b * 3 * voxels + voxel * flow.voxel;
    const Index extents[3] = {size.W, size.H, size.D};
    tile.count = count;
    tile.corners = size.D > 1 ? 8 : 4;
    T position[3][TILE];
    for (int a = 0; a < 3; ++a, from += flow.axis)
        for (int i = 0; i < count; ++i) position[a][i] = from[i * flow.voxel];
    for (int i = 0; i < count; ++i) {
        const T dx = position[0][i], dy = position[1][i], dz = position[2][i];
        const bool lost = (dx != dx) | (dy != dy) | (dz != dz);
        tile.keep[i] = lost ? T(0) : T(1);
        position[0][i] = lost ? T(0) : T(x + i) + dx;
        position[1][i] = lost ? T(0) : T(y) + dy;
        position[2][i] = lost ? T(0) : T(z) + dz;
    }
    if (flow.mask)
        for (int i = 0; i < count; ++i) tile.mask[i] = flow.mask[b * voxels + voxel + i];
    else
        for (int i = 0; i < count; ++i) tile.mask[i] = T(1);
    for (int a = 0; a < 3; ++a)
        if (extents[a] == 1 && flow.border)
            hold(count, tile.axes[a]);
        else
            place(position[a], count, extents[a], flow.border, tile.axes[a]);

    const Axis<T>&ax = tile.axes[0], &ay = tile.axes[1], &az = tile.axes[2];
    // A size that T cannot hold is rounded: the smaller keeps the cell inside all the same.
    const Index top_x = larger(size.W - 2, 0), top_y = larger(size.H - 2, 0), top_z = larger(size.D - 2, 0);
    for (int i = 0; i < count; ++i) {
        const Index cx = smaller(Index(ax.first[i]), top_x), cy = smaller(Index(ay.first[i]), top_y);
        tile.cell[i] = (smaller(Index(az.first[i]), top_z) * size.H + cy) * size.W + cx;
    }
    for (int k = 0; k < tile.corners; ++k) {
        const int kx = k & 1, ky = k >> 1 & 1, kz = k >> 2;
        for (int i = 0; i < count; ++i)
            tile.weight[k][i] = az.weight[kz][i] * tile.keep[i] * ay.weight[ky][i] * ax.weight[kx][i];
        if (!slopes) continue;
        for (int i = 0; i < count; ++i) {
            const T wx = ax.weight[kx][i], wy = ay.weight[ky][i], wz = az.weight[kz][i], keep = tile.keep[i];
            tile.along[0][k][i] = ax.slope[kx][i] * keep * wy * wz;
            tile.along[1][k][i] = ay.slope[ky][i] * keep * wx * wz;
            tile.along[2][k][i] = az.slope[kz][i] * keep * wx * wy;
        }
    }
}

// What a call is about.
template <class T>
struct Job {
    Sizes size;
    Flow<T> flow;
    Index voxel, channel;  // strides of every volume
    Index threads;

    bool few() const { return channel != 1 || size.C <= 4; }

    Index values() const { return size.B * size.C * size.voxels(); }
    Index sample(Index b) const { return b * size.C * size.voxels(); }

    // Lines of output voxels that are worked on through the whole depth, so that what they read stays in the cache.
    Index lines() const {
        constexpr Index BYTES = 1 << 16;
        return larger(1, smaller(size.H, BYTES / (size.W * size.C * Index(sizeof(T)))));
    }
    Index blocks() const { return (size.H + lines() - 1) / lines(); }
};

// From the first corner's row to all eight; an axis of one voxel has no second.
struct Offsets {
    Index row[8];
    Offsets(const Sizes& size, Index voxel) {
        const Index x = size.W > 1, y = size.H > 1 ? size.W : 0, z = size.D > 1 ? size.H * size.W : 0;
        for (int k = 0; k < 8; ++k) row[k] = ((k >> 2) * z + (k >> 1 & 1) * y + (k & 1) * x) * voxel;
    }
    Index operator[](int k) const { return row[k]; }
};

// Calls work(tile, next, voxel) for every tile of a block of lines of sample b: `voxel` is the tile's first, and `next`
// is the tile that follows, so that its rows can be on their way.
template <class T, class Work>
void walk(const Job<T>& job, Index b, Index block, bool slopes, const Work& work) {
    const Sizes& size = job.size;
    const Index begin = block * job.lines(), end = smaller(begin + job.lines(), size.H);
    Tile<T> tiles[2];
    Index found = 0, voxels[2];
    for (Index z = 0; z < size.D; ++z)
        for (Index y = begin; y < end; ++y)
            for (Index x = 0; x < size.W; x += TILE, ++found) {
                const Index now = found % 2, before = 1 - now;
                locate(tiles[now], size, job.flow, b, z, y, x, int(smaller(TILE, size.W - x)), slopes);
                voxels[now] = (z * size.H + y) * size.W + x;
                if (found > 0) work(tiles[before], tiles[now], voxels[before]);
            }
    const Index last = (found - 1) % 2;
    work(tiles[last], tiles[last], voxels[last]);
}

}  // namespace
}  // namespace flow3d
