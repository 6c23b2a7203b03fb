/* A program of a later version, for test_install.py: its headers know a field `of_later`
 * of candor_read_options, the library does not. later ENDPOINT; writes `good`. */
#include <candor/client.h>

#include <stdio.h>

static enum candor_code get(struct candor_client *client, uint64_t value,
                            struct candor_error *error)
{
    struct candor_read_options options = {.level = CANDOR_READ_LINEARIZABLE, .of_later = value};
    struct candor_result result;
    enum candor_code code = candor_get(client, candor_text("k"), &options, &result);
    *error = result.error;
    candor_result_free(&result);
    return code;
}

int main(int argc, char **argv)
{
    const char *endpoints[] = {argc > 1 ? argv[1] : ""};
    struct candor_client_options options = {.endpoints = endpoints, .endpoint_count = 1};
    struct candor_client *client;
    struct candor_error error;
    if (candor_client_open(&options, &client, &error) != CANDOR_OK)
        return 1;
    if (get(client, 0, &error) != CANDOR_OK) {
        fprintf(stderr, "without the field: %s\n", error.message);
        return 1;
    }
    if (get(client, 3, &error) != CANDOR_INVALID_ARGUMENT ||
        strstr(error.message, "does not know") == NULL) {
        fprintf(stderr, "with the field: %s: %s\n", candor_code_name(error.code), error.message);
        return 1;
    }
    candor_client_close(client);
    puts("good");
    return 0;
}
