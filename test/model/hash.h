/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A hash of the bytes of a state, for the checker and for the explorer of test/c11. */
#ifndef VALET_TEST_MODEL_HASH_H
#define VALET_TEST_MODEL_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t hash_mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/*
 * NH, of UMAC (Black et al., 1999), in blocks of 1 KB: the sum of the products of pairs of words,
 * each with the key of its place. One multiplication takes 16 bytes, and none waits for another.
 * Never 0.
 */
static inline uint64_t hash_of(const unsigned char *p, size_t n)
{
    static uint64_t key[128];
    if (key[0] == 0)
        for (size_t i = 0; i < sizeof key / sizeof key[0]; i++)
            key[i] = hash_mix((i + 1) * 0x9e3779b97f4a7c15u);
    uint64_t hash = n;
    while (n > 0) {
        size_t block = n < sizeof key ? n : sizeof key, i = 0;
        uint64_t word[2];
        unsigned __int128 sum = 0,
                          other = 0; /* two: an addition does not wait for the one before */
        for (; i + 2 * sizeof word <= block; i += 2 * sizeof word) {
            memcpy(word, p + i, sizeof word);
            sum += (unsigned __int128)(word[0] + key[i / 8]) * (word[1] + key[i / 8 + 1]);
            memcpy(word, p + i + sizeof word, sizeof word);
            other += (unsigned __int128)(word[0] + key[i / 8 + 2]) * (word[1] + key[i / 8 + 3]);
        }
        sum += other;
        if (i + sizeof word <= block) {
            memcpy(word, p + i, sizeof word);
            sum += (unsigned __int128)(word[0] + key[i / 8]) * (word[1] + key[i / 8 + 1]);
            i += sizeof word;
        }
        if (i < block) {
            memset(word, 0, sizeof word);
            memcpy(word, p + i, block - i);
            sum += (unsigned __int128)(word[0] + key[i / 8]) * (word[1] + key[i / 8 + 1]);
        }
        hash = hash_mix(hash_mix(hash + (uint64_t)sum) + (uint64_t)(sum >> 64));
        p += block;
        n -= block;
    }
    return hash ? hash : 1;
}

#endif
