# What tests, examples and benches need beside the library: gradcomp_need(doctest | CLI11 | nlohmann_json | Eigen3).
#
# By default installed packages are used. With GRADCOMP_FETCH the four header-only ones are downloaded instead, each a
# pinned release with its SHA-256; only their headers are used, their own build files never run.
include(FetchContent)

function(gradcomp_fetch name target include_dir url sha256)
    # A SOURCE_SUBDIR without CMakeLists.txt makes FetchContent stop after unpacking.
    FetchContent_Declare(gradcomp_${name} URL ${url} URL_HASH SHA256=${sha256} DOWNLOAD_EXTRACT_TIMESTAMP ON SOURCE_SUBDIR headers_only)
    FetchContent_MakeAvailable(gradcomp_${name})
    add_library(${target} INTERFACE IMPORTED GLOBAL)
    target_include_directories(${target} SYSTEM INTERFACE ${gradcomp_${name}_SOURCE_DIR}/${include_dir})
endfunction()

macro(gradcomp_need name)
    if("${name}" STREQUAL "doctest")
        set(gradcomp_target doctest::doctest)
    elseif("${name}" STREQUAL "CLI11")
        set(gradcomp_target CLI11::CLI11)
    elseif("${name}" STREQUAL "nlohmann_json")
        set(gradcomp_target nlohmann_json::nlohmann_json)
    elseif("${name}" STREQUAL "Eigen3")
        set(gradcomp_target Eigen3::Eigen)
    else()
        message(FATAL_ERROR "gradcomp_need does not know ${name}")
    endif()
    if(NOT TARGET ${gradcomp_target})
        if(NOT GRADCOMP_FETCH)
            find_package(${name} CONFIG REQUIRED)
        elseif("${name}" STREQUAL "doctest")
            gradcomp_fetch(doctest doctest::doctest . https://github.com/doctest/doctest/archive/refs/tags/v2.4.11.tar.gz
                632ed2c05a7f53fa961381497bf8069093f0d6628c5f26286161fbd32a560186)
        elseif("${name}" STREQUAL "CLI11")
            gradcomp_fetch(cli11 CLI11::CLI11 include https://github.com/CLIUtils/CLI11/archive/refs/tags/v2.4.2.tar.gz
                f2d893a65c3b1324c50d4e682c0cdc021dd0477ae2c048544f39eed6654b699a)
        elseif("${name}" STREQUAL "nlohmann_json")
            gradcomp_fetch(json nlohmann_json::nlohmann_json include https://github.com/nlohmann/json/archive/refs/tags/v3.11.2.tar.gz
                d69f9deb6a75e2580465c6c4c5111b89c4dc2fa94e3a85fcd2ffcd9a143d9273)
        elseif("${name}" STREQUAL "Eigen3")
            gradcomp_fetch(eigen Eigen3::Eigen . https://gitlab.com/libeigen/eigen/-/archive/3.4.0/eigen-3.4.0.tar.bz2
                b4c198460eba6f28d34894e3a5710998818515104d6e74e5cc331ce31e46e626)
        endif()
    endif()
endmacro()
