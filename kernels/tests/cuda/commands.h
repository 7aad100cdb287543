// The arguments of a kernel from words of 64 bits.
#pragma once
#include <type_traits>
#include <utility>

template <class T> T as(const uint64_t word) {
    if constexpr (std::is_pointer_v<T>) {
        return (T)(uintptr_t)word;
    } else if constexpr (std::is_same_v<std::remove_const_t<T>, float>) {
        return __int_as_float((int)word);
    } else {
        return (T)word;
    }
}

template <class... P, size_t... I>
void call_each(void (*kernel)(P...), const uint64_t *words, std::index_sequence<I...>) { kernel(as<P>(words[I])...); }

template <class... P> void call(void (*kernel)(P...), const uint64_t *words) {
    call_each(kernel, words, std::index_sequence_for<P...>{});
}
