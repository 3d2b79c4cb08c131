/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allocations: who allocates, how often: a library for tests, loaded into a program by LD_PRELOAD with
 * ALLOCATIONS=FILE.
 *
 * The calls of the allocator are ours and go on to glibc's own (__libc_malloc and so on). Each is counted in a row for
 * the thread and the object (program or library) that its return address lies in; the row has the places, too. FILE is
 * a shared mapping of the rows: a test reads it whenever it likes, and the program writes nothing, starts no thread and
 * gets no signal for it. strdup() and the like count as libc's: libc calls the allocator for them.
 *
 * Objects are those there are when the library starts; later ones (dlopen) are "?". glibc only.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define CALLER ((uintptr_t)__builtin_return_address(0))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

/* The layout of FILE is known to tests/e2e/test_allocation.py. */
enum { ROWS = 4096, SITES = 16, OBJECTS = 256, UNKNOWN = 0, NAME_BYTES = 32, THREAD_BYTES = 16 };

struct site {
    uint64_t offset, count; /* in the object, as addr2line wants it; count 0: free */
};

struct row { /* of one thread and one object; written by that thread */
    char thread[THREAD_BYTES], object[NAME_BYTES];
    uint64_t allocations, frees;
    struct site sites[SITES]; /* the first so many that allocate */
};

struct object {
    uintptr_t base, begin, end; /* of its code */
    char name[NAME_BYTES];
};

static struct object objects[OBJECTS] = {{.name = "?"}};
static int object_count = 1;
static struct row *rows; /* NULL: not started, nothing is counted */
static atomic_int row_count;
static __thread uint16_t row_of_object[OBJECTS]; /* plus 1; 0: none yet */

static int add_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    const char *slash = strrchr(info->dlpi_name, '/');
    for (int i = 0; i < info->dlpi_phnum && object_count < OBJECTS; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_LOAD || !(header->p_flags & PF_X))
            continue;
        struct object *object = &objects[object_count++];
        object->base = info->dlpi_addr;
        object->begin = info->dlpi_addr + header->p_vaddr;
        object->end = object->begin + header->p_memsz;
        const char *name = slash ? slash + 1 : info->dlpi_name[0] ? info->dlpi_name : "program";
        strncpy(object->name, name, NAME_BYTES - 1);
    }
    return 0;
}

/* What the program starts itself is not counted. */
__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("ALLOCATIONS");
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    unsetenv("LD_PRELOAD");
    if (fd < 0 || ftruncate(fd, ROWS * sizeof(struct row)))
        return;
    void *memory = mmap(NULL, ROWS * sizeof(struct row), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    dl_iterate_phdr(add_object, NULL);
    if (memory != MAP_FAILED)
        rows = memory;
}

static int find_object(uintptr_t address)
{
    for (int i = 1; i < object_count; i++)
        if (address >= objects[i].begin && address < objects[i].end)
            return i;
    return UNKNOWN;
}

/* NULL: no more room, or not started. The name is read each time: a thread gets its own after its start. */
static struct row *find_row(int object)
{
    if (!rows)
        return NULL;
    if (!row_of_object[object]) {
        int number = atomic_fetch_add(&row_count, 1);
        if (number >= ROWS)
            return NULL;
        row_of_object[object] = (uint16_t)(number + 1);
        memcpy(rows[number].object, objects[object].name, NAME_BYTES);
    }
    struct row *row = &rows[row_of_object[object] - 1];
    prctl(PR_GET_NAME, row->thread);
    return row;
}

static void count_site(struct row *row, uint64_t offset)
{
    for (int i = 0; i < SITES; i++) {
        if (row->sites[i].count && row->sites[i].offset != offset)
            continue;
        row->sites[i].offset = offset;
        row->sites[i].count++;
        return;
    }
}

static void count_allocation(uintptr_t caller)
{
    int object = find_object(caller);
    struct row *row = find_row(object);
    if (!row)
        return;
    row->allocations++;
    count_site(row, caller - objects[object].base);
}

EXPORT void *malloc(size_t size)
{
    count_allocation(CALLER);
    return __libc_malloc(size);
}

EXPORT void *calloc(size_t count, size_t size)
{
    count_allocation(CALLER);
    return __libc_calloc(count, size);
}

EXPORT void *realloc(void *memory, size_t size)
{
    count_allocation(CALLER);
    return __libc_realloc(memory, size);
}

EXPORT void *reallocarray(void *memory, size_t count, size_t size)
{
    size_t bytes;
    count_allocation(CALLER);
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc(memory, bytes);
}

EXPORT void *memalign(size_t alignment, size_t size)
{
    count_allocation(CALLER);
    return __libc_memalign(alignment, size);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    count_allocation(CALLER);
    return __libc_memalign(alignment, size);
}

EXPORT int posix_memalign(void **ret_memory, size_t alignment, size_t size)
{
    count_allocation(CALLER);
    if (alignment % sizeof(void *) || !alignment || (alignment & (alignment - 1)))
        return EINVAL;
    void *memory = __libc_memalign(alignment, size);
    if (!memory)
        return ENOMEM;
    *ret_memory = memory;
    return 0;
}

EXPORT void free(void *memory)
{
    struct row *row = memory ? find_row(find_object(CALLER)) : NULL;
    if (row)
        row->frees++;
    __libc_free(memory);
}
