// The arguments of a kernel from words of 64 bits.
#pragma once

template <class T> struct Plain { typedef T type; };
template <class T> struct Plain<const T> { typedef T type; };

template <size_t...> struct Indices {};
template <size_t N, size_t... I> struct Count : Count<N - 1, N - 1, I...> {};
template <size_t... I> struct Count<0, I...> { typedef Indices<I...> type; };

// A kernel reads of each word as many bytes as it declares, from the lowest.
template <class T> typename Plain<T>::type as(const void *const value) {
    typename Plain<T>::type plain;
    memcpy(&plain, value, sizeof plain);
    return plain;
}

template <class... P, size_t... I>
void call_each(void (*kernel)(P...), void *const *values, Indices<I...>) { kernel(as<P>(values[I])...); }

// With a pointer to each value, as a driver has them.
template <class... P> void call(void (*kernel)(P...), void *const *values) {
    call_each(kernel, values, typename Count<sizeof...(P)>::type());
}

// The bytes of each, and how many there are.
template <class... P> int sizes_of(void (*)(P...), size_t *const sizes) {
    const size_t all[] = {sizeof(typename Plain<P>::type)..., 0};
    for (size_t index = 0; index < sizeof...(P); index++) sizes[index] = all[index];
    return (int)sizeof...(P);
}
