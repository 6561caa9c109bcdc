// warp3d: out[p] = mask[p] * volume[p + flow(p)], backward, trilinear. reference.py has the formula as it reads.
#include "warp_corners.hpp"

namespace flow3d {
namespace {

// What a tile's flow and mask are owed: along[a][i] for the flow's three axes, and value[i], the result without mask.
template <class T>
struct Owed {
    T along[3][TILE], value[TILE];

    Owed(const Tile<T>& tile, const T (*dots)[TILE]) {
        for (int i = 0; i < tile.count; ++i) value[i] = along[0][i] = along[1][i] = along[2][i] = 0;
        for (int k = 0; k < tile.corners; ++k)
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
        for (int k = 0; k < tile.corners; ++k) {
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
            T* here = out + sample + voxel * job.voxel;
            if (!job.few()) return blend(tile, next, offsets, volume + sample, job.size.C, here);
            tile.corners == 4 ? blend_few<4>(tile, offsets, volume + sample, job, here)
                              : blend_few<8>(tile, offsets, volume + sample, job, here);
        });
    });
}

// What a backward pass reads and writes. The gradient of the volume begins as 0; what is not wanted is null.
template <class T>
struct Gradients {
    const T *volume, *grad;
    T *to_volume, *to_flow, *to_mask;
};

// A tile's share of the gradient of the volume, for channels [first, end).
template <class T>
void give_volume(const Job<T>& job, const Gradients<T>& all, const Offsets& offsets, const Tile<T>& tile, Index b,
                 Index voxel, Index first, Index end) {
    const T* grad = all.grad + job.sample(b) + voxel * job.voxel;
    T* volume = all.to_volume + job.sample(b);
    if (!job.few()) return scatter(tile, offsets, grad, job.size.C, first, end, volume);
    tile.corners == 4 ? scatter_few<4>(tile, offsets, grad, job, volume)
                      : scatter_few<8>(tile, offsets, grad, job, volume);
}

// A tile's gradients of the flow, in its own layout, and of the mask.
template <class T>
void give_flow(const Job<T>& job, const Gradients<T>& all, const Offsets& offsets, const Tile<T>& tile, Index b,
               Index voxel) {
    const T *volume = all.volume + job.sample(b), *grad = all.grad + job.sample(b) + voxel * job.voxel;
    const Index voxels = job.size.voxels();
    T dots[8][TILE];
    if (!job.few())
        multiply(tile, offsets, volume, grad, job.size.C, dots);
    else
        tile.corners == 4 ? multiply_few<4>(tile, offsets, volume, grad, job, dots)
                          : multiply_few<8>(tile, offsets, volume, grad, job, dots);
    Owed<T> owed(tile, dots);
    for (int i = 0; i < tile.count; ++i) {
        T sum = tile.mask[i];
        for (int k = 0; k < tile.corners; ++k) sum += dots[k][i];
        if (!finite(sum)) owed.repair(tile, offsets, i, volume, grad + i * job.voxel, job);
    }
    for (int a = 0; all.to_flow && a < 3; ++a) {
        T* to = all.to_flow + b * 3 * voxels + a * job.flow.axis + voxel * job.flow.voxel;
        for (int i = 0; i < tile.count; ++i) to[i * job.flow.voxel] = owed.along[a][i];
    }
    if (all.to_mask) std::memcpy(all.to_mask + b * voxels + voxel, owed.value, tile.count * sizeof(T));
}

// Threads share the channels of the volume, so that no two add to one number, and the voxels of the flow. One alone
// finds few channels' positions once for both; rows of many are faster apart, since both need the cache for themselves.
template <class T>
void backward(const Job<T>& job, const Gradients<T>& all) {
    const Offsets offsets(job.size, job.voxel);
    const Index C = job.size.C, B = job.size.B, blocks = job.blocks();
    const Index threads = worthwhile(job.threads, job.values());
    const bool flow = all.to_flow || all.to_mask, together = threads == 1 && job.few() && all.to_volume;
    if (flow)
        parallel(B * blocks, threads, [&](Index task) {
            const Index b = task / blocks;
            walk(job, b, task % blocks, true, [&](const Tile<T>& tile, const Tile<T>&, Index voxel) {
                give_flow(job, all, offsets, tile, b, voxel);
                if (together) give_volume(job, all, offsets, tile, b, voxel, 0, C);
            });
        });
    if (!all.to_volume || (flow && together)) return;
    const Index vectors = job.few() ? 1 : (C + FULL<T> - 1) / FULL<T>, shares = smaller(vectors, (threads + B - 1) / B);
    parallel(B * shares, threads, [&](Index task) {
        const Index b = task / shares, share = task % shares;
        const Index first = share * vectors / shares * FULL<T>;
        const Index end = smaller(C, (share + 1) * vectors / shares * FULL<T>);
        for (Index block = 0; block < blocks; ++block)
            walk(job, b, block, false, [&](const Tile<T>& tile, const Tile<T>&, Index voxel) {
                give_volume(job, all, offsets, tile, b, voxel, first, end);
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
    FLOW3D_EXPORT void warp3d_backward_##T(JOB(T), const T* volume, const T* grad, T* grad_volume, T* grad_flow,      \
                                           T* grad_mask) {                                                            \
        flow3d::backward(THE_JOB(T), {volume, grad, grad_volume, grad_flow, grad_mask});                              \
    }                                                                                                                 \
    FLOW3D_EXPORT void planes_##T(const T* rows, T* to, flow3d::Index B, flow3d::Index C, flow3d::Index voxels,       \
                                  flow3d::Index threads) {                                                            \
        flow3d::planes(rows, to, B, C, voxels, threads);                                                              \
    }
OPERATIONS(float)
OPERATIONS(double)
