/* A pool of threads that wait for work: waking them costs less than making them. */
#include <pthread.h>
#include <stdlib.h>

#include "kernels.h"

struct agps_pool {
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    pthread_t threads[AGPS_MAX_THREADS - 1];
    int others;  /* threads besides the caller's */
    int joined;  /* handed out their numbers so far */
    int pending; /* still at work */
    unsigned round;
    int stop;
    agps_work work;
    void *argument;
};

static void *wait_for_work(void *argument)
{
    agps_pool *pool = argument;
    pthread_mutex_lock(&pool->lock);
    const int part = ++pool->joined;
    unsigned done = 0;
    for (;;) {
        while (pool->round == done && !pool->stop)
            pthread_cond_wait(&pool->wake, &pool->lock);
        if (pool->stop)
            break;
        done = pool->round;
        const agps_work work = pool->work;
        void *const what = pool->argument;
        const int parts = pool->others + 1;
        pthread_mutex_unlock(&pool->lock);
        work(what, part, parts);
        pthread_mutex_lock(&pool->lock);
        if (--pool->pending == 0)
            pthread_cond_signal(&pool->idle);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

agps_pool *agps_pool_create(int threads)
{
    if (!agps_in(threads, 1, AGPS_MAX_THREADS))
        return NULL;
    agps_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->idle, NULL);
    for (int i = 0; i < threads - 1; i++) {
        if (pthread_create(&pool->threads[i], NULL, wait_for_work, pool) != 0) {
            agps_pool_destroy(pool);
            return NULL;
        }
        pool->others++;
    }
    return pool;
}

void agps_pool_destroy(agps_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = 1;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->others; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->idle);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

int agps_pool_threads(const agps_pool *pool)
{
    return pool == NULL ? 1 : pool->others + 1;
}

void agps_pool_run(agps_pool *pool, agps_work work, void *argument)
{
    if (pool == NULL || pool->others == 0) {
        work(argument, 0, 1);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->work = work;
    pool->argument = argument;
    pool->pending = pool->others;
    pool->round++;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    work(argument, 0, pool->others + 1);
    pthread_mutex_lock(&pool->lock);
    while (pool->pending > 0)
        pthread_cond_wait(&pool->idle, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}
