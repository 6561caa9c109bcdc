// What a tile does with its corners: it blends them, gives them gradients, multiplies them by gradients.
//
// Volumes are rows, (B, D, H, W, C): the C values of a voxel lie side by side and are worked on as vectors. Where
// channels are few, a voxel's values may lie anywhere and are worked on one by one. A corner without weight is not read
// into a sum, whatever the volume holds there.
#pragma once

#include "warp_tile.hpp"

namespace flow3d {
namespace {

// Ask for the rows that voxel i of a tile will read.
template <class T>
inline void fetch(const Tile<T>& tile, int i, const Offsets& offsets, const T* volume, Index C) {
    constexpr Index LINE = 64 / sizeof(T);
    if (i >= tile.count) return;
    for (int k = 0; k < 8; ++k)
        for (Index c = 0; c < C; c += LINE) __builtin_prefetch(volume + tile.cell[i] * C + offsets[k] + c);
}

template <class T>
inline bool finite(T value) {
    return value - value == 0;
}

// The corners of one voxel that have a weight, by how far they are from the first.
template <class T>
struct Corners {
    int count = 0;
    Index offset[8];
    T weight[8];

    Corners(const Tile<T>& tile, int i, const Offsets& offsets) {
        for (int k = 0; k < tile.corners; ++k) {
            offset[count] = offsets[k];
            weight[count] = tile.weight[k][i];
            count += tile.weight[k][i] != 0;
        }
    }

    // Calls work(Number<count>), so that 1, 2, 4 and 8 corners have code of their own. Only where a weight is too small
    // a number is there another count, and the number 0 says to look it up.
    template <class Work>
    void with_count(const Work& work) const {
        switch (count) {
            case 1: return work(Number<1>{});
            case 2: return work(Number<2>{});
            case 4: return work(Number<4>{});
            case 8: return work(Number<8>{});
            default: return work(Number<0>{});
        }
    }
};

// A tile's results: mask * weighted sum of up to eight rows.
template <class T>
void blend(const Tile<T>& tile, const Tile<T>& next, const Offsets& offsets, const T* volume, Index C, T* out) {
    for (int i = 0; i < tile.count; ++i, out += C) {
        fetch(next, i, offsets, volume, C);
        const T* cell = volume + tile.cell[i] * C;
        const Corners<T> corners(tile, i, offsets);
        const T mask = corners.count == 0 ? T(0) : tile.mask[i];
        corners.with_count([&](auto count) {
            pieces<FULL<T>>(0, C, [&](auto lanes, Index c) {
                constexpr int L = decltype(lanes)::value, KNOWN = decltype(count)::value;
                const int N = KNOWN ? KNOWN : corners.count;
                Lanes<T, L> sum = {};
                for (int n = 0; n < N; ++n) sum += corners.weight[n] * load<T, L>(cell + corners.offset[n] + c);
                store(out + c, mask * sum);
            });
        });
    }
}

// The other way, for channels [first, end): each row that was read gets its share of the gradient.
template <class T>
void scatter(const Tile<T>& tile, const Offsets& offsets, const T* grad, Index C, Index first, Index end, T* volume) {
    for (int i = 0; i < tile.count; ++i, grad += C) {
        T* cell = volume + tile.cell[i] * C;
        const Corners<T> corners(tile, i, offsets);
        corners.with_count([&](auto count) {
            pieces<FULL<T>>(first, end, [&](auto lanes, Index c) {
                constexpr int L = decltype(lanes)::value, KNOWN = decltype(count)::value;
                const int N = KNOWN ? KNOWN : corners.count;
                const Lanes<T, L> owed = tile.mask[i] * load<T, L>(grad + c);
                for (int n = 0; n < N; ++n) {
                    T* row = cell + corners.offset[n] + c;
                    store(row, load<T, L>(row) + corners.weight[n] * owed);
                }
            });
        });
    }
}

// dots[k][i]: the row of voxel i's corner k times the voxel's gradient, summed over the channels.
template <class T>
void multiply(const Tile<T>& tile, const Offsets& offsets, const T* volume, const T* grad, Index C, T (*dots)[TILE]) {
    constexpr int L = FULL<T>;
    for (int i = 0; i < tile.count; ++i, grad += C) {
        const T* cell = volume + tile.cell[i] * C;
        Lanes<T, L> sums[8] = {};
        Index c = 0;
        for (; c + L <= C; c += L) {
            const Lanes<T, L> owed = load<T, L>(grad + c);
            for (int k = 0; k < 8; ++k) sums[k] += load<T, L>(cell + offsets[k] + c) * owed;
        }
        for (int k = 0; k < 8; ++k) dots[k][i] = c > 0 ? sum<T, L>(sums[k]) : T(0);
        pieces<L / 2>(c, C, [&](auto lanes, Index rest) {
            constexpr int R = decltype(lanes)::value;
            const Lanes<T, R> owed = load<T, R>(grad + rest);
            for (int k = 0; k < 8; ++k) dots[k][i] += sum<T, R>(load<T, R>(cell + offsets[k] + rest) * owed);
        });
    }
}

// The same where channels are few: a corner without weight is worked on too, and the sum taken anew if that shows.
template <int K, class T>
void blend_few(const Tile<T>& tile, const Offsets& offsets, const T* volume, const Job<T>& job, T* out) {
    for (Index c = 0; c < job.size.C; ++c, volume += job.channel, out += job.channel)
        for (int i = 0; i < tile.count; ++i) {
            const T* cell = volume + tile.cell[i] * job.voxel;
            T sum = 0, read = 0;
            for (int k = 0; k < K; ++k) sum += tile.weight[k][i] * cell[offsets[k]];
            sum *= tile.mask[i];
            if (!finite(sum)) {
                sum = 0;
                for (int k = 0; k < K; ++k) {
                    if (tile.weight[k][i] != 0) sum += tile.weight[k][i] * cell[offsets[k]];
                    read += tile.weight[k][i];
                }
                sum = read == 0 ? T(0) : tile.mask[i] * sum;
            }
            out[i * job.voxel] = sum;
        }
}

template <int K, class T>
void scatter_few(const Tile<T>& tile, const Offsets& offsets, const T* grad, const Job<T>& job, T* volume) {
    for (Index c = 0; c < job.size.C; ++c, volume += job.channel, grad += job.channel)
        for (int i = 0; i < tile.count; ++i) {
            T* cell = volume + tile.cell[i] * job.voxel;
            const T owed = tile.mask[i] * grad[i * job.voxel];
            for (int k = 0; k < K; ++k)
                if (tile.weight[k][i] != 0) cell[offsets[k]] += tile.weight[k][i] * owed;
        }
}

template <int K, class T>
void multiply_few(const Tile<T>& tile, const Offsets& offsets, const T* volume, const T* grad, const Job<T>& job,
                  T (*dots)[TILE]) {
    for (int k = 0; k < K; ++k) std::memset(dots[k], 0, sizeof dots[k]);
    for (Index c = 0; c < job.size.C; ++c, volume += job.channel, grad += job.channel)
        for (int i = 0; i < tile.count; ++i) {
            const T* cell = volume + tile.cell[i] * job.voxel;
            for (int k = 0; k < K; ++k) dots[k][i] += cell[offsets[k]] * grad[i * job.voxel];
        }
}

}  // namespace
}  // namespace flow3d
