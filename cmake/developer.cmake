# Flags of our own tests, examples and benches. Nothing here reaches the exported target.

# A machine that only measures must not be stopped by what a newer compiler warns of: scripts/gpu turns this off.
option(GRADCOMP_WARNINGS_ARE_ERRORS "Warnings in tests are errors" ON)

add_library(gradcomp_warnings INTERFACE)
set(gradcomp_warning_flags -Wall -Wextra -Wconversion -Wshadow)
target_compile_options(gradcomp_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:${gradcomp_warning_flags}>)

# nvcc's own warnings are errors in CUDA tests; the host compiler's -Wconversion and -Wshadow see nvcc's rewritten source and stay off.
add_library(gradcomp_cuda_strict INTERFACE)
target_compile_options(gradcomp_cuda_strict INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:$<$<BOOL:${GRADCOMP_WARNINGS_ARE_ERRORS}>:-Werror=all-warnings> -Xcompiler=-Wall,-Wextra,-Wno-restrict,-Wno-array-bounds,-Wno-stringop-overflow,-Wno-maybe-uninitialized>)

# Warnings are errors in tests, except those that an optimiser derives from flow analysis: they come and go with the
# compiler's version, the level and the sanitizer, and must not stop a fresh machine with a newer compiler.
add_library(gradcomp_strict INTERFACE)
target_link_libraries(gradcomp_strict INTERFACE gradcomp_warnings)
target_compile_options(gradcomp_strict INTERFACE $<$<BOOL:${GRADCOMP_WARNINGS_ARE_ERRORS}>:-Werror> $<$<CXX_COMPILER_ID:GNU>:-Wno-error=maybe-uninitialized -Wno-error=uninitialized
    -Wno-error=array-bounds -Wno-error=stringop-overflow -Wno-error=stringop-overread -Wno-error=free-nonheap-object
    -Wno-error=null-dereference -Wno-error=restrict -Wno-error=tsan>
    $<$<CXX_COMPILER_ID:Clang>:-Wno-error=deprecated-declarations>) # libstdc++ 12 uses its own deprecated get_temporary_buffer

add_library(gradcomp_sanitizers INTERFACE)
if(GRADCOMP_SANITIZE)
    list(JOIN GRADCOMP_SANITIZE "," sanitizers)
    target_compile_options(gradcomp_sanitizers INTERFACE -fsanitize=${sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(gradcomp_sanitizers INTERFACE -fsanitize=${sanitizers})
endif()

# The programs that scripts/test runs, one line each: kind|name|path. Directories add lines, the top level writes the file.
define_property(GLOBAL PROPERTY GRADCOMP_PROGRAMS BRIEF_DOCS "kind|name|path of each program to run")
function(gradcomp_announce kind name target)
    set_property(GLOBAL APPEND PROPERTY GRADCOMP_PROGRAMS "${kind}|${name}|$<TARGET_FILE:${target}>")
endfunction()
