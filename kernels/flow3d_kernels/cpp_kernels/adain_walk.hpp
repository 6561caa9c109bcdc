// How a volume is walked over: in blocks of channels, vector by vector, in either layout.
#pragma once

#include "common.hpp"

namespace flow3d {
namespace {

template <bool ROWS>
constexpr Index BLOCK = ROWS ? 64 : 1;  // channels at most
constexpr Index TILE = 64;              // voxels, whose channels are in the fastest cache together

// Scale or shift. A map lies as x does.
template <class T>
struct Style {
    const T* values;
    Index axes;  // 2, 3 or 5
    bool map() const { return axes == 5; }
};

// What a call is about; what is absent is null. `plane` voxels share a style: a slice of depth, or all.
template <class T>
struct Job {
    Index B, C, D, plane;
    const T* x;
    Style<T> gamma, beta;
    const T* residual;
    double slope;     // 1 is no activation
    double* moments;  // (B, C, 2): mean, 1 / deviation; or null, where no gradient is wanted
    Index threads;

    Index voxels() const { return D * plane; }
    Index values() const { return B * C * voxels(); }
};

// Channels [first, first + count) of sample b.
struct Block {
    Index b, first, count;
};

// Calls work(block) for blocks that cover all channels of all samples.
template <bool ROWS, class T, class Work>
void for_blocks(const Job<T>& job, const Work& work) {
    const Index threads = worthwhile(job.threads, job.values());
    Index size = 1;
    if (ROWS) {  // whole lines of the cache for each thread
        constexpr Index LINE = 64 / sizeof(T);
        const Index share = (job.C * job.B + threads - 1) / threads;
        size = larger(LINE, smaller(BLOCK<ROWS>, (share + LINE - 1) / LINE * LINE));
    }
    const Index blocks = (job.C + size - 1) / size;
    parallel(job.B * blocks, threads, [&](Index task) {
        const Index first = task % blocks * size;
        work(Block{task / blocks, first, smaller(size, job.C - first)});
    });
}

// Where voxel p of the block's first channel lies.
template <bool ROWS, class T>
inline Index place(const Job<T>& job, const Block& block, Index p) {
    const Index V = job.voxels();
    return ROWS ? (block.b * V + p) * job.C + block.first : (block.b * job.C + block.first) * V + p;
}

// Calls work(Number<lanes>, channel, offset, count, step) for runs of vectors that cover voxels [from, to) of a block.
template <bool ROWS, int L, class T, class Work>
inline void walk(const Job<T>& job, const Block& block, Index from, Index to, const Work& work) {
    if constexpr (ROWS) {
        for (Index p = from; p < to; p += TILE) {
            const Index at = place<ROWS>(job, block, p), count = smaller(TILE, to - p);
            pieces<L>(0, block.count, [&](auto lanes, Index c) { work(lanes, c, at + c, count, job.C); });
        }
    } else {
        const Index at = place<ROWS>(job, block, from), whole = (to - from) / L;
        if (whole > 0) work(Number<L>{}, Index(0), at, whole, Index(L));
        const auto alone = [&](auto lanes, Index p) { work(lanes, Index(0), at + p, Index(1), Index(1)); };
        pieces<L>(whole * L, to - from, alone);
    }
}

// A number of each channel, for the lanes from channel c on.
template <bool ROWS, int L, class T>
inline Lanes<T, L> of_channels(const T* numbers, Index c) {
    if constexpr (ROWS)
        return load<T, L>(numbers + c);
    else
        return spread<T, L>(numbers[0]);
}

template <bool ROWS, int L>
inline void add_to_channels(double* sums, Index c, const Lanes<double, L>& more) {
    if constexpr (ROWS)
        store(sums + c, load<double, L>(sums + c) + more);
    else
        sums[0] += sum<double, L>(more);
}

template <int L, class T>
inline Lanes<double, L> doubled(const Lanes<T, L>& lanes) {
    return __builtin_convertvector(lanes, Lanes<double, L>);
}

}  // namespace
}  // namespace flow3d
