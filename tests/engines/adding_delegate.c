/*
 * A TF Lite delegate for tests: it takes every float ADD and computes it, and leaves the rest.
 *
 * Built without any header or library of TF Lite. The declarations below say, in our own words, what the C ABI of
 * tensorflow/lite/core/c/common.h lays down, as far as it is used here; new fields may only be added at the ends.
 *
 * Options: "claim" = "nothing" takes no node; "refuse" = TEXT makes creation fail with that text.
 * Build: gcc -shared -fPIC -O1 -ffreestanding -fno-tree-loop-distribute-patterns -nostdlib -o adding.so adding_delegate.c
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OK = 0, FLOAT32 = 1, ADD = 0, MOST_KERNELS = 64, MOST_NODES = 64 };

struct int_array { int size; int data[]; };
struct context;
struct delegate;

struct tensor {
    int type;
    float *data;
    struct int_array *dims;
    struct { float scale; int32_t zero_point; } params;
    int allocation_type;
    size_t bytes;
    const void *allocation;
    const char *name;
    struct delegate *delegate;
    int buffer_handle;
    bool data_is_stale, is_variable;
    struct { int type; void *params; } quantization;
    void *sparsity;
    const struct int_array *dims_signature;
};

struct node { struct int_array *inputs, *outputs, *intermediates, *temporaries; void *user_data; };

/* Passed by value: the unused end is as long as later versions may need. */
struct registration {
    void *(*init)(struct context *, const char *, size_t);
    void (*free)(struct context *, void *);
    int (*prepare)(struct context *, struct node *);
    int (*invoke)(struct context *, struct node *);
    const char *(*profiling_string)(const struct context *, const struct node *);
    int32_t builtin_code;
    const char *custom_name;
    int version;
    void *later[16];
};

struct context {
    size_t tensors_size;
    int (*get_execution_plan)(struct context *, struct int_array **);
    struct tensor *tensors;
    void *impl;
    int (*resize_tensor)(struct context *, struct tensor *, struct int_array *);
    void (*report_error)(struct context *, const char *, ...);
    int (*add_tensors)(struct context *, int, int *);
    int (*get_node_and_registration)(struct context *, int, struct node **, struct registration **);
    int (*replace_node_subsets)(struct context *, struct registration, const struct int_array *, struct delegate *);
};

struct delegate {
    void *data;
    int (*prepare)(struct context *, struct delegate *);
    void *copy_from_buffer_handle, *copy_to_buffer_handle, *free_buffer_handle;
    int64_t flags;
    void *opaque_delegate_builder;
};

struct kernel_parameters { struct delegate *delegate; struct int_array *nodes_to_replace; };

struct addition { int left, right, sum; };
struct kernel { int count; struct addition additions[MOST_NODES]; };

static struct kernel kernels[MOST_KERNELS];
static int kernel_count;

static bool equal(const char *one, const char *other) {
    while (*one && *one == *other) { one++; other++; }
    return *one == *other;
}

static void *kernel_init(struct context *context, const char *buffer, size_t length) {
    const struct kernel_parameters *parameters = (const void *)buffer;
    struct kernel *kernel = &kernels[kernel_count++ % MOST_KERNELS];
    (void)length;
    kernel->count = 0;
    for (int i = 0; i < parameters->nodes_to_replace->size && i < MOST_NODES; i++) {
        struct node *node;
        struct registration *registration;
        if (context->get_node_and_registration(context, parameters->nodes_to_replace->data[i], &node, &registration))
            return NULL;
        struct addition *addition = &kernel->additions[kernel->count++];
        addition->left = node->inputs->data[0];
        addition->right = node->inputs->data[1];
        addition->sum = node->outputs->data[0];
    }
    return kernel;
}

static void kernel_free(struct context *context, void *kernel) { (void)context; (void)kernel; }

static int kernel_prepare(struct context *context, struct node *node) {
    (void)context;
    return node->user_data == NULL;
}

static int kernel_invoke(struct context *context, struct node *node) {
    const struct kernel *kernel = node->user_data;
    for (int i = 0; i < kernel->count; i++) {
        const struct addition *addition = &kernel->additions[i];
        const float *left = context->tensors[addition->left].data, *right = context->tensors[addition->right].data;
        struct tensor *sum = &context->tensors[addition->sum];
        for (size_t k = 0; k < sum->bytes / sizeof(float); k++) sum->data[k] = left[k] + right[k];
    }
    return OK;
}

static int prepare(struct context *context, struct delegate *delegate) {
    static struct { int size; int data[MOST_NODES]; } wanted;
    struct int_array *plan;
    struct registration ours = {kernel_init, kernel_free, kernel_prepare, kernel_invoke, NULL, 0, "Adding", 1, {NULL}};
    if (context->get_execution_plan(context, &plan)) return 1;
    wanted.size = 0;
    for (int i = 0; i < plan->size && wanted.size < MOST_NODES; i++) {
        struct node *node;
        struct registration *registration;
        if (context->get_node_and_registration(context, plan->data[i], &node, &registration)) return 1;
        if (delegate->data && registration->builtin_code == ADD &&
            context->tensors[node->inputs->data[0]].type == FLOAT32)
            wanted.data[wanted.size++] = plan->data[i];
    }
    return context->replace_node_subsets(context, ours, (const struct int_array *)&wanted, delegate);
}

struct delegate *tflite_plugin_create_delegate(
    char **keys, char **values, size_t count, void (*report_error)(const char *)) {
    static struct delegate made;
    made.prepare = prepare;
    made.data = &made;
    for (size_t i = 0; i < count; i++) {
        if (equal(keys[i], "refuse")) {
            report_error(values[i]);
            return NULL;
        }
        if (equal(keys[i], "claim") && equal(values[i], "nothing")) made.data = NULL;
    }
    return &made;
}

void tflite_plugin_destroy_delegate(struct delegate *delegate) { (void)delegate; }
