# Every dependency, once, with why. Debian's packages are named in scripts/setup.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c) # messages and service descriptors
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)            # topologies: an event parser with line numbers
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)          # JSON in and out of kvctl
pkg_check_modules(EDIT REQUIRED IMPORTED_TARGET libedit)             # kvctl shell: line editing and history
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)         # digests of whole states, configuration hash
# What candor-feed feeds; without one of them it is built without that.
pkg_check_modules(NATS IMPORTED_TARGET libnats)                      # streams of NATS JetStream
pkg_check_modules(RDKAFKA IMPORTED_TARGET rdkafka)                   # topics of Kafka
if(NOT NATS_FOUND)
  message(WARNING "candor-feed is built without NATS JetStream: there is no libnats (Debian: libnats-dev)")
endif()
if(NOT RDKAFKA_FOUND)
  message(WARNING "candor-feed is built without Kafka: there is no librdkafka (Debian: librdkafka-dev)")
endif()
find_package(cmocka REQUIRED)                                        # unit tests

find_library(LMDB_LIBRARY lmdb REQUIRED)                             # the state: memory-mapped B+tree, MVCC readers
add_library(lmdb INTERFACE)
target_link_libraries(lmdb INTERFACE ${LMDB_LIBRARY})

# NNG: REQ/REP and PUB/SUB. Linked statically, because its fatal bugs are fixed at link time
# (src/net/nng_fixes.c). libnng.a brings TLS, hence mbedtls.
find_library(NNG_STATIC NAMES libnng.a REQUIRED)
add_library(nng_static INTERFACE)
target_compile_definitions(nng_static INTERFACE NNG_STATIC_LIB)
target_link_libraries(nng_static INTERFACE ${NNG_STATIC} mbedtls mbedx509 mbedcrypto atomic Threads::Threads)
