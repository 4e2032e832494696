/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A thread of many: with a small stack. */
#ifndef VALET_TEST_FAULTS_START_H
#define VALET_TEST_FAULTS_START_H

#include <pthread.h>

#include "test.h"

static pthread_t start(void *(*run)(void *), void *argument)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 * 1024);
    CHECK_EQ(pthread_create(&thread, &attributes, run, argument), 0);
    pthread_attr_destroy(&attributes);
    return thread;
}

#endif
