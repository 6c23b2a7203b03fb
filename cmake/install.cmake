# What `cmake --install` puts where. Nothing of it names the place it was built in or installed to: the tree may be moved.
include(CMakePackageConfigHelpers)

install(TARGETS kvd kvctl candor-feed RUNTIME)
install(DIRECTORY include/candor DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h)
install(DIRECTORY proto/candor DESTINATION ${CMAKE_INSTALL_DATADIR}/candor/proto FILES_MATCHING PATTERN *.proto)

# libcandor: for linkers, for pkg-config, for find_package(candor).
install(TARGETS candor candor_static EXPORT candorTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/candor)
install(EXPORT candorTargets NAMESPACE candor:: DESTINATION ${package})
configure_package_config_file(cmake/candorConfig.cmake.in ${CMAKE_BINARY_DIR}/candorConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/candorConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/candorConfig.cmake ${CMAKE_BINARY_DIR}/candorConfigVersion.cmake DESTINATION ${package})
file(RELATIVE_PATH prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" prefix ${prefix})
configure_file(cmake/candor.pc.in ${CMAKE_BINARY_DIR}/candor.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/candor.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Documents stand as in the repository, so that their links lead to each other.
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs examples DESTINATION ${CMAKE_INSTALL_DOCDIR} USE_SOURCE_PERMISSIONS
  FILES_MATCHING PATTERN *.md PATTERN *.svg PATTERN *.yaml PATTERN *.c PATTERN *.h PATTERN candor_client.py PATTERN generate
  PATTERN __pycache__ EXCLUDE)

# Completion, as `kvctl completion` prints it.
set(scripts ${PROJECT_SOURCE_DIR}/cli/tools/completion)
install(FILES ${scripts}/kvctl.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME kvctl)
install(FILES ${scripts}/kvctl.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions RENAME _kvctl)
install(FILES ${scripts}/kvctl.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

# The man pages, from the texts that are there (docs/manuals).
set(manuals ${CMAKE_BINARY_DIR}/man)
file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/candor/*.h)
add_custom_command(OUTPUT ${manuals}/made
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${manuals}
  COMMAND /usr/bin/python3 -B ${PROJECT_SOURCE_DIR}/docs/manuals ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${manuals}
  COMMAND ${CMAKE_COMMAND} -E touch ${manuals}/made
  DEPENDS kvctl kvd candor-feed docs/manuals docs/topology.md docs/libcandor.md CHANGELOG.md ${headers} VERBATIM)
add_custom_target(manuals ALL DEPENDS ${manuals}/made)
install(DIRECTORY ${manuals}/ DESTINATION ${CMAKE_INSTALL_MANDIR} PATTERN made EXCLUDE)
