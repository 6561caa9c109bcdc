// adain3d: act(IN(x) * (1 + gamma) + beta + residual). reference.py has the formula as it reads.
//
// A block is a few channels of one sample: where channels are innermost up to 64, which lie side by side and are the
// lanes of a vector; elsewhere one, whose voxels are the lanes. Sums are in double, about the first voxel, so that one
// walk over float32 finds mean and variance with all their digits, and a constant channel is its own mean to the bit.
#include "adain_walk.hpp"

namespace flow3d {
namespace {

// Of values and of their squares.
template <int L>
struct Sums {
    Lanes<double, L> values = {}, squares = {};

    void add(const Lanes<double, L>& more) {
        values += more;
        squares += more * more;
    }
    void add(const Sums& more) {
        values += more.values;
        squares += more.squares;
    }
};

// Sums of x - centre and of its square over all voxels, channel by channel.
template <bool ROWS, class T>
void sum_about(const Job<T>& job, const Block& block, const double* centre, double* sums, double* squares) {
    for (Index c = 0; c < block.count; ++c) sums[c] = squares[c] = 0;
    walk<ROWS, FULL<double>>(job, block, 0, job.voxels(), [&](auto lanes, Index c, Index at, Index count, Index step) {
        constexpr int L = decltype(lanes)::value;
        const Lanes<double, L> middle = of_channels<ROWS, L>(centre, c);
        const auto away = [&](Index i) { return doubled<L, T>(load<T, L>(job.x + at + i * step)) - middle; };
        Sums<L> one, two, three, four;  // none of which waits for another
        Index i = 0;
        for (; i + 4 <= count; i += 4) {
            one.add(away(i));
            two.add(away(i + 1));
            three.add(away(i + 2));
            four.add(away(i + 3));
        }
        for (; i < count; ++i) one.add(away(i));
        one.add(two);
        three.add(four);
        one.add(three);
        add_to_channels<ROWS, L>(sums, c, one.values);
        add_to_channels<ROWS, L>(squares, c, one.squares);
    });
}

// Mean and 1 / deviation of each channel of a block.
template <bool ROWS>
struct Moments {
    double mean[BLOCK<ROWS>], inverse[BLOCK<ROWS>];
};

// Where a channel's moments wait for the backward pass.
template <class T>
double* kept(const Job<T>& job, const Block& block, Index c) {
    return job.moments + 2 * (block.b * job.C + block.first + c);
}

template <bool ROWS, class T>
Moments<ROWS> measured(const Job<T>& job, const Block& block, double eps) {
    const double share = 1 / double(job.voxels());
    double centre[BLOCK<ROWS>] = {}, sums[BLOCK<ROWS>], squares[BLOCK<ROWS>];
    for (Index c = 0; c < block.count; ++c) centre[c] = job.x[place<ROWS>(job, block, 0) + (ROWS ? c : 0)];
    sum_about<ROWS>(job, block, centre, sums, squares);
    if constexpr (sizeof(T) == sizeof(double)) {  // no type is wider: sums about the mean itself lose nothing
        for (Index c = 0; c < block.count; ++c) centre[c] += sums[c] * share;
        sum_about<ROWS>(job, block, centre, sums, squares);
    }
    Moments<ROWS> moments;
    for (Index c = 0; c < block.count; ++c) {
        const double offset = sums[c] * share, variance = squares[c] * share - offset * offset;
        moments.mean[c] = centre[c] + offset;
        moments.inverse[c] = 1 / std::sqrt((variance < 0 ? 0 : variance) + eps);
        if (!job.moments) continue;
        kept(job, block, c)[0] = moments.mean[c];
        kept(job, block, c)[1] = moments.inverse[c];
    }
    return moments;
}

template <bool ROWS, class T>
Moments<ROWS> remembered(const Job<T>& job, const Block& block) {
    Moments<ROWS> moments;
    for (Index c = 0; c < block.count; ++c) {
        moments.mean[c] = kept(job, block, c)[0];
        moments.inverse[c] = kept(job, block, c)[1];
    }
    return moments;
}

// What a slice of depth is restyled with, channel by channel. The mean is two numbers: one would cut its digits off.
template <bool ROWS, class T>
struct Restyling {
    using Numbers = T[BLOCK<ROWS>];
    Numbers mean = {}, rest = {}, inverse = {}, scale = {}, factor = {}, shift = {};
    const Moments<ROWS> moments;
    const T slope;

    Restyling(const Job<T>& job, const Block& block, const Moments<ROWS>& moments)
        : moments(moments), slope(T(job.slope)) {
        for (Index c = 0; c < block.count; ++c) {
            mean[c] = T(moments.mean[c]);
            rest[c] = T(moments.mean[c] - mean[c]);
            inverse[c] = T(moments.inverse[c]);
        }
    }

    void turn_to(const Job<T>& job, const Block& block, Index z) {
        for (Index c = 0; c < block.count; ++c) {
            const Index row = block.b * job.C + block.first + c;
            if (!job.gamma.map()) {
                scale[c] = 1 + job.gamma.values[job.gamma.axes == 2 ? row : row * job.D + z];
                factor[c] = T(moments.inverse[c] * scale[c]);
            }
            if (!job.beta.map()) shift[c] = job.beta.values[job.beta.axes == 2 ? row : row * job.D + z];
        }
    }
};

// The same for a vector, of the channels from c on; offsets are those of x.
template <bool ROWS, int L, class T>
struct Restyled {
    const Job<T>& job;
    const Lanes<T, L> mean, rest, inverse, scale, factor, shift;
    const T slope;

    Restyled(const Job<T>& job, const Restyling<ROWS, T>& with, Index c)
        : job(job),
          mean(of_channels<ROWS, L>(with.mean, c)),
          rest(of_channels<ROWS, L>(with.rest, c)),
          inverse(of_channels<ROWS, L>(with.inverse, c)),
          scale(of_channels<ROWS, L>(with.scale, c)),
          factor(of_channels<ROWS, L>(with.factor, c)),
          shift(of_channels<ROWS, L>(with.shift, c)),
          slope(with.slope) {}

    Lanes<T, L> centred(Index at) const { return load<T, L>(job.x + at) - mean - rest; }
    Lanes<T, L> scaled(Index at) const { return job.gamma.map() ? 1 + load<T, L>(job.gamma.values + at) : scale; }

    // The value before the activation.
    Lanes<T, L> value(Index at) const {
        Lanes<T, L> value = centred(at);
        value = job.gamma.map() ? value * inverse * scaled(at) : value * factor;
        value += job.beta.map() ? load<T, L>(job.beta.values + at) : shift;
        return job.residual ? value + load<T, L>(job.residual + at) : value;
    }

    // What the activation makes of `through`, a value or its gradient.
    Lanes<T, L> activated(const Lanes<T, L>& value, const Lanes<T, L>& through) const {
        return value > 0 ? through : slope * through;
    }
    Lanes<T, L> gradient(const T* grad, Index at) const {
        const Lanes<T, L> owed = load<T, L>(grad + at);
        return job.slope == 1 ? owed : activated(value(at), owed);
    }
};

template <bool ROWS, class T>
void forward(const Job<T>& job, double eps, T* out) {
    for_blocks<ROWS>(job, [&](const Block& block) {
        Restyling<ROWS, T> with(job, block, measured<ROWS>(job, block, eps));
        for (Index z = 0; z < job.D; ++z) {
            with.turn_to(job, block, z);
            walk<ROWS, FULL<T>>(job, block, z * job.plane, (z + 1) * job.plane,
                                [&](auto lanes, Index c, Index at, Index count, Index step) {
                                    const Restyled<ROWS, decltype(lanes)::value, T> styled(job, with, c);
                                    for (; count > 0; --count, at += step) {
                                        const auto value = styled.value(at);
                                        store(out + at, styled.activated(value, value));
                                    }
                                });
        }
    });
}

// Gradients; what is not wanted is null. `value` is that of the residual, and of a beta that is a map.
template <class T>
struct Gradients {
    T *x, *gamma, *beta, *value;
};

// Instance norm is a projection: its gradient loses its mean and its part along the normalised x.
template <bool ROWS, class T>
void backward(const Job<T>& job, const T* grad, const Gradients<T>& to) {
    for_blocks<ROWS>(job, [&](const Block& block) {
        Restyling<ROWS, T> with(job, block, remembered<ROWS>(job, block));
        const Index row = block.b * job.C + block.first;
        using Numbers = double[BLOCK<ROWS>];
        Numbers level = {}, along = {}, all_gamma = {}, all_beta = {};
        for (Index z = 0; z < job.D; ++z) {
            with.turn_to(job, block, z);
            Numbers betas = {}, gammas = {}, levels = {}, alongs = {};
            walk<ROWS, FULL<double>>(
                job, block, z * job.plane, (z + 1) * job.plane,
                [&](auto lanes, Index c, Index at, Index count, Index step) {
                    constexpr int L = decltype(lanes)::value;
                    const Restyled<ROWS, L, T> styled(job, with, c);
                    Lanes<double, L> owed_sum = {}, product_sum = {}, scaled_sum = {}, scaled_product_sum = {};
                    for (; count > 0; --count, at += step) {
                        const auto owed = doubled<L, T>(styled.gradient(grad, at));
                        const auto product = owed * doubled<L, T>(styled.centred(at) * styled.inverse);
                        owed_sum += owed;
                        product_sum += product;
                        if (job.gamma.map()) {
                            const auto scale = doubled<L, T>(styled.scaled(at));
                            scaled_sum += owed * scale;
                            scaled_product_sum += product * scale;
                        }
                    }
                    add_to_channels<ROWS, L>(betas, c, owed_sum);
                    add_to_channels<ROWS, L>(gammas, c, product_sum);
                    add_to_channels<ROWS, L>(levels, c, scaled_sum);
                    add_to_channels<ROWS, L>(alongs, c, scaled_product_sum);
                });
            for (Index c = 0; c < block.count; ++c) {
                const bool map = job.gamma.map();
                level[c] += map ? levels[c] : with.scale[c] * betas[c];
                along[c] += map ? alongs[c] : with.scale[c] * gammas[c];
                all_gamma[c] += gammas[c];
                all_beta[c] += betas[c];
                if (to.gamma && job.gamma.axes == 3) to.gamma[(row + c) * job.D + z] = T(gammas[c]);
                if (to.beta && job.beta.axes == 3) to.beta[(row + c) * job.D + z] = T(betas[c]);
            }
        }
        T mean_level[BLOCK<ROWS>] = {}, mean_along[BLOCK<ROWS>] = {};
        for (Index c = 0; c < block.count; ++c) {
            mean_level[c] = T(level[c] / double(job.voxels()));
            mean_along[c] = T(along[c] / double(job.voxels()));
            if (to.gamma && job.gamma.axes == 2) to.gamma[row + c] = T(all_gamma[c]);
            if (to.beta && job.beta.axes == 2) to.beta[row + c] = T(all_beta[c]);
        }
        T* const map = job.gamma.map() ? to.gamma : nullptr;
        if (!to.x && !map && !to.value) return;
        for (Index z = 0; z < job.D; ++z) {
            with.turn_to(job, block, z);
            walk<ROWS, FULL<T>>(
                job, block, z * job.plane, (z + 1) * job.plane,
                [&](auto lanes, Index c, Index at, Index count, Index step) {
                    constexpr int L = decltype(lanes)::value;
                    const Restyled<ROWS, L, T> styled(job, with, c);
                    const auto level_here = of_channels<ROWS, L>(mean_level, c);
                    const auto along_here = of_channels<ROWS, L>(mean_along, c);
                    for (; count > 0; --count, at += step) {
                        const auto owed = styled.gradient(grad, at), normal = styled.centred(at) * styled.inverse;
                        if (to.value) store(to.value + at, owed);
                        if (map) store(map + at, owed * normal);
                        if (to.x)
                            store(to.x + at,
                                  (owed * styled.scaled(at) - level_here - normal * along_here) * styled.inverse);
                    }
                });
        }
    });
}

}  // namespace
}  // namespace flow3d

// One copy of everything for each type: a job, then the tensors.
#define JOB(T)                                                                                                        \
    flow3d::Index B, flow3d::Index C, flow3d::Index D, flow3d::Index plane, flow3d::Index rows, const T *x,           \
        const T *gamma, flow3d::Index gamma_axes, const T *beta, flow3d::Index beta_axes, const T *residual,          \
        double slope, double *moments, flow3d::Index threads
#define THE_JOB(T)                                                                                                    \
    flow3d::Job<T> { B, C, D, plane, x, {gamma, gamma_axes}, {beta, beta_axes}, residual, slope, moments, threads }
#define OPERATIONS(T)                                                                                                 \
    FLOW3D_EXPORT void adain3d_forward_##T(JOB(T), double eps, T* out) {                                              \
        rows ? flow3d::forward<true>(THE_JOB(T), eps, out) : flow3d::forward<false>(THE_JOB(T), eps, out);            \
    }                                                                                                                 \
    FLOW3D_EXPORT void adain3d_backward_##T(JOB(T), const T* grad, T* grad_x, T* grad_gamma, T* grad_beta,            \
                                            T* grad_value) {                                                          \
        const flow3d::Gradients<T> to{grad_x, grad_gamma, grad_beta, grad_value};                                     \
        rows ? flow3d::backward<true>(THE_JOB(T), grad, to) : flow3d::backward<false>(THE_JOB(T), grad, to);          \
    }
OPERATIONS(float)
OPERATIONS(double)
