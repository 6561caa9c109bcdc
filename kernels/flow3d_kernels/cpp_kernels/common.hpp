// What both operations are built of: vectors as wide as the processor's, and threads.
//
// Vectors are those of GNU C++, which g++ and clang++ both know. They keep IEEE rules: a NaN stays one, and sums are
// taken in the order that is written here. Threads are POSIX's: what is built needs no library of C++, whose versions
// must fit those that Python has loaded.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <pthread.h>

#define FLOW3D_EXPORT extern "C" __attribute__((visibility("default")))

namespace flow3d {

using Index = std::int64_t;

#if defined(__AVX512F__)
constexpr int WIDTH = 64;  // bytes of a vector
#elif defined(__AVX__)
constexpr int WIDTH = 32;
#else
constexpr int WIDTH = 16;
#endif

template <class T>
constexpr int FULL = WIDTH / int(sizeof(T));  // lanes of a vector

template <class T, int L>
struct LanesOf {
    typedef T type __attribute__((vector_size(L * sizeof(T))));
};
template <class T, int L>
using Lanes = typename LanesOf<T, L>::type;

template <class T, int L>
inline Lanes<T, L> load(const T* from) {
    Lanes<T, L> lanes;
    std::memcpy(&lanes, from, sizeof lanes);
    return lanes;
}

template <class T, class V>
inline void store(T* to, const V& lanes) {
    std::memcpy(to, &lanes, sizeof lanes);
}

template <class T, int L>
inline Lanes<T, L> spread(T value) {
    return value - Lanes<T, L>{};  // what is less 0 is itself; written lane by lane it would be put together in memory
}

template <class T, int L>
inline T sum(const Lanes<T, L>& lanes) {
    if constexpr (L == 1) {
        return lanes[0];
    } else {
        T halves[L];
        store(halves, lanes);
        return sum<T, L / 2>(load<T, L / 2>(halves) + load<T, L / 2>(halves + L / 2));
    }
}

template <int N>
struct Number {
    static constexpr int value = N;
};

// Calls work(Number<lanes>, first) for pieces that cover [first, end): full vectors, then each half size once at most.
template <int L, class Work>
inline void pieces(Index first, Index end, const Work& work) {
    for (; first + L <= end; first += L) work(Number<L>{}, first);
    if constexpr (L > 1) pieces<L / 2>(first, end, work);
}

inline Index smaller(Index a, Index b) { return a < b ? a : b; }
inline Index larger(Index a, Index b) { return a > b ? a : b; }

// No thread is worth its start for fewer values than this: a tenth of a millisecond of work.
constexpr Index VALUES_PER_THREAD = Index(1) << 16;

inline Index worthwhile(Index threads, Index values) {
    return larger(1, smaller(threads, values / VALUES_PER_THREAD));
}

template <class Work>
struct Share {
    const Work* work;
    Index first, tasks, step;
    static void* run(void* self) {
        const Share& share = *static_cast<Share*>(self);
        for (Index task = share.first; task < share.tasks; task += share.step) (*share.work)(task);
        return nullptr;
    }
};

// Calls work(task) for every task. Who does a task changes nothing about it, so results do not depend on the threads.
template <class Work>
inline void parallel(Index tasks, Index threads, const Work& work) {
    constexpr Index MOST = 64;
    threads = larger(1, smaller(smaller(threads, tasks), MOST));
    pthread_t helpers[MOST];
    Share<Work> shares[MOST];
    bool started[MOST] = {};
    for (Index t = 0; t < threads; ++t) shares[t] = {&work, t, tasks, threads};
    for (Index t = 1; t < threads; ++t)
        started[t] = pthread_create(&helpers[t], nullptr, Share<Work>::run, &shares[t]) == 0;
    for (Index t = 0; t < threads; ++t)
        if (!started[t]) Share<Work>::run(&shares[t]);  // also what a system without a free thread leaves over
    for (Index t = 1; t < threads; ++t)
        if (started[t]) pthread_join(helpers[t], nullptr);
}

}  // namespace flow3d
