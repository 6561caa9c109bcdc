// warp3d: out[p] = mask[p] * volume[p + flow(p)], backward, trilinear. reference.py has the formula as it reads.
//
// Volumes are rows, (B, D, H, W, C): the C values of a voxel lie side by side and are worked on as vectors. Where
// channels are few, a voxel's values may lie anywhere and are worked on one by one. A corner without weight is not read
// into a sum, whatever the volume holds there.
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
        for (int k = 0; k < 8; ++k) {
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
template <class T>
void blend_few(const Tile<T>& tile, const Offsets& offsets, const T* volume, const Job<T>& job, T* out) {
    for (Index c = 0; c < job.size.C; ++c, volume += job.channel, out += job.channel)
        for (int i = 0; i < tile.count; ++i) {
            const T* cell = volume + tile.cell[i] * job.voxel;
            T sum = 0, read = 0;
            for (int k = 0; k < 8; ++k) sum += tile.weight[k][i] * cell[offsets[k]];
            sum *= tile.mask[i];
            if (!finite(sum)) {
                sum = 0;
                for (int k = 0; k < 8; ++k) {
                    if (tile.weight[k][i] != 0) sum += tile.weight[k][i] * cell[offsets[k]];
                    read += tile.weight[k][i];
                }
                sum = read == 0 ? T(0) : tile.mask[i] * sum;
            }
            out[i * job.voxel] = sum;
        }
}

template <class T>
void scatter_few(const Tile<T>& tile, const Offsets& offsets, const T* grad, const Job<T>& job, T* volume) {
    for (Index c = 0; c < job.size.C; ++c, volume += job.channel, grad += job.channel)
        for (int i = 0; i < tile.count; ++i) {
            T* cell = volume + tile.cell[i] * job.voxel;
            const T owed = tile.mask[i] * grad[i * job.voxel];
            for (int k = 0; k < 8; ++k)
                if (tile.weight[k][i] != 0) cell[offsets[k]] += tile.weight[k][i] * owed;
        }
}

template <class T>
void multiply_few(const Tile<T>& tile, const Offsets& offsets, const T* volume, const T* grad, const Job<T>& job,
                  T (*dots)[TILE]) {
    for (int k = 0; k < 8; ++k) std::memset(dots[k], 0, sizeof dots[k]);
    for (Index c = 0; c < job.size.C; ++c, volume += job.channel, grad += job.channel)
        for (int i = 0; i < tile.count; ++i) {
            const T* cell = volume + tile.cell[i] * job.voxel;
            for (int k = 0; k < 8; ++k) dots[k][i] += cell[offsets[k]] * grad[i * job.voxel];
        }
}

// What a tile's flow and mask are owed: along[a][i] for the flow's three axes, and value[i], the result without mask.
template <class T>
struct Owed {
    T along[3][TILE], value[TILE];

    Owed(const Tile<T>& tile, const T (*dots)[TILE]) {
        for (int i = 0; i < tile.count; ++i) value[i] = along[0][i] = along[1][i] = along[2][i] = 0;
        for (int k = 0; k < 8; ++k)
            for (int i = 0; i < tile.count; ++i) {
                value[i] += tile.weight[k][i] * dots[k][i];
                for (int a = 0; a < 3; ++a) along[a][i] += tile.along[a][k][i] * dots[k][i];
            }
        for (int a = 0; a < 3; ++a)
            for (int i = 0; i < tile.count; ++i) along[a][i] *= tile.mask[i];
    }

    // The same for one voxel whose rows or mask hold infinities or NaN: 0 times them is 0 where nothing was read.
    void repair(const Tile<T>& tile, const Offsets& offsets, int i, const T* volume, const T* grad, const Job<T>& job) {
        const T* cell = volume + tile.cell[i] * job.voxel;
        T sums[4] = {}, read = 0;
        for (int k = 0; k < 8; ++k) {
            const T weight = tile.weight[k][i];
            T dot = 0;
            for (Index c = 0; c < job.size.C; ++c) {
                const T there = cell[offsets[k] + c * job.channel];
                if (weight != 0 || finite(there)) dot += there * grad[c * job.channel];
            }
            const T factors[4] = {tile.along[0][k][i], tile.along[1][k][i], tile.along[2][k][i], weight};
            for (int s = 0; s < 4; ++s)
                if (factors[s] != 0) sums[s] += factors[s] * dot;
            read += weight;
        }
        const T mask = read == 0 && !finite(tile.mask[i]) ? T(0) : tile.mask[i];
        for (int a = 0; a < 3; ++a) along[a][i] = mask * sums[a];
        value[i] = sums[3];
    }
};

template <class T>
void forward(const Job<T>& job, const T* volume, T* out) {
    const Offsets offsets(job.size, job.voxel);
    const Index blocks = job.blocks();
    parallel(job.size.B * blocks, worthwhile(job.threads, job.values()), [&](Index task) {
        const Index b = task / blocks, sample = job.sample(b);
        walk(job, b, task % blocks, false, [&](const Tile<T>& tile, const Tile<T>& next, Index voxel) {
            if (job.few())
                blend_few(tile, offsets, volume + sample, job, out + sample + voxel * job.voxel);
            else
                blend(tile, next, offsets, volume + sample, job.size.C, out + sample + voxel * job.voxel);
        });
    });
}

// The gradient of the volume, which begins as 0. Threads share the channels, so that no two add to one number.
template <class T>
void backward_volume(const Job<T>& job, const T* grad, T* grad_volume) {
    const Offsets offsets(job.size, job.voxel);
    const Index C = job.size.C, B = job.size.B, threads = worthwhile(job.threads, job.values());
    const Index vectors = job.few() ? 1 : (C + FULL<T> - 1) / FULL<T>, shares = smaller(vectors, (threads + B - 1) / B);
    parallel(B * shares, threads, [&](Index task) {
        const Index b = task / shares, share = task % shares, sample = job.sample(b);
        const Index first = share * vectors / shares * FULL<T>;
        const Index end = smaller(C, (share + 1) * vectors / shares * FULL<T>);
        for (Index block = 0; block < job.blocks(); ++block)
            walk(job, b, block, false, [&](const Tile<T>& tile, const Tile<T>&, Index voxel) {
                const T* owed = grad + sample + voxel * job.voxel;
                if (job.few())
                    scatter_few(tile, offsets, owed, job, grad_volume + sample);
                else
                    scatter(tile, offsets, owed, C, first, end, grad_volume + sample);
            });
    });
}

// The gradients of flow, in its own layout, and of mask; either may be null.
template <class T>
void backward_flow(const Job<T>& job, const T* volume, const T* grad, T* grad_flow, T* grad_mask) {
    const Offsets offsets(job.size, job.voxel);
    const Index voxels = job.size.voxels(), blocks = job.blocks();
    parallel(job.size.B * blocks, worthwhile(job.threads, job.values()), [&](Index task) {
        const Index b = task / blocks, sample = job.sample(b);
        walk(job, b, task % blocks, true, [&](const Tile<T>& tile, const Tile<T>&, Index voxel) {
            const T* owed_here = grad + sample + voxel * job.voxel;
            T dots[8][TILE];
            if (job.few())
                multiply_few(tile, offsets, volume + sample, owed_here, job, dots);
            else
                multiply(tile, offsets, volume + sample, owed_here, job.size.C, dots);
            Owed<T> owed(tile, dots);
            for (int i = 0; i < tile.count; ++i) {
                T all = tile.mask[i];
                for (int k = 0; k < 8; ++k) all += dots[k][i];
                if (!finite(all)) owed.repair(tile, offsets, i, volume + sample, owed_here + i * job.voxel, job);
            }
            for (int i = 0; grad_flow && i < tile.count; ++i)
                for (int a = 0; a < 3; ++a)
                    grad_flow[b * 3 * voxels + a * job.flow.axis + (voxel + i) * job.flow.voxel] = owed.along[a][i];
            for (int i = 0; grad_mask && i < tile.count; ++i) grad_mask[b * voxels + voxel + i] = owed.value[i];
        });
    });
}

// The layout (B, C, voxels) of rows (B, voxels, C).
template <class T>
void planes(const T* rows, T* to, Index B, Index C, Index voxels, Index threads) {
    constexpr Index PIECE = 64;  // voxels, as many as whole lines of the cache take
    const Index count = (voxels + PIECE - 1) / PIECE;
    parallel(B * count, worthwhile(threads, B * C * voxels), [&](Index task) {
        const Index b = task / count, first = task % count * PIECE, end = smaller(first + PIECE, voxels);
        for (Index c = 0; c < C; ++c)
            for (Index p = first; p < end; ++p) to[(b * C + c) * voxels + p] = rows[(b * voxels + p) * C + c];
    });
}

}  // namespace
}  // namespace flow3d

// One copy of everything for each type: a job, then the tensors.
#define JOB(T)                                                                                                        \
    flow3d::Index B, flow3d::Index C, flow3d::Index D, flow3d::Index H, flow3d::Index W, const T *flow,               \
        flow3d::Index flow_axis, flow3d::Index flow_voxel, const T *mask, flow3d::Index border, flow3d::Index voxel,  \
        flow3d::Index channel, flow3d::Index threads
#define THE_JOB(T)                                                                                                    \
    flow3d::Job<T> { {B, C, D, H, W}, {flow, flow_axis, flow_voxel, mask, border != 0}, voxel, channel, threads }
#define OPERATIONS(T)                                                                                                 \
    FLOW3D_EXPORT void warp3d_forward_##T(JOB(T), const T* volume, T* out) {                                          \
        flow3d::forward(THE_JOB(T), volume, out);                                                                     \
    }                                                                                                                 \
    FLOW3D_EXPORT void warp3d_backward_volume_##T(JOB(T), const T* grad, T* grad_volume) {                            \
        flow3d::backward_volume(THE_JOB(T), grad, grad_volume);                                                       \
    }                                                                                                                 \
    FLOW3D_EXPORT void warp3d_backward_flow_##T(JOB(T), const T* volume, const T* grad, T* grad_flow, T* grad_mask) { \
        flow3d::backward_flow(THE_JOB(T), volume, grad, grad_flow, grad_mask);                                        \
    }                                                                                                                 \
    FLOW3D_EXPORT void planes_##T(const T* rows, T* to, flow3d::Index B, flow3d::Index C, flow3d::Index voxels,       \
                                  flow3d::Index threads) {                                                            \
        flow3d::planes(rows, to, B, C, voxels, threads);                                                              \
    }
OPERATIONS(float)
OPERATIONS(double)
