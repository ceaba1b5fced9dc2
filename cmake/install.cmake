# Install, export and version file: what find_package(gradcomp) reads.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(gradcomp_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/gradcomp)

# A subdirectory of somebody's project installs nothing of its own accord.
option(GRADCOMP_INSTALL "Install the headers and the package files" ${PROJECT_IS_TOP_LEVEL})
if(NOT GRADCOMP_INSTALL)
    return()
endif()

install(DIRECTORY include/gradcomp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp" PATTERN "*.cuh")
install(TARGETS gradcomp gradcomp_cuda EXPORT gradcomp_targets)
install(EXPORT gradcomp_targets NAMESPACE gradcomp:: FILE gradcomp_targets.cmake DESTINATION ${gradcomp_package_dir})

configure_package_config_file(cmake/gradcomp-config.cmake.in ${PROJECT_BINARY_DIR}/gradcomp-config.cmake
    INSTALL_DESTINATION ${gradcomp_package_dir})
# Before 1.0 a minor version may change names; header-only code does not care about the architecture.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/gradcomp-config-version.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/gradcomp-config.cmake ${PROJECT_BINARY_DIR}/gradcomp-config-version.cmake cmake/gradcomp_nccl.cmake
    DESTINATION ${gradcomp_package_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
