# gradcomp::nccl: the library together with NCCL and the CUDA runtime, for programs that include gradcomp/nccl.hpp. No CUDA compiler is needed.
#
# Both are looked for in CMAKE_PREFIX_PATH, the CUDA toolkit, the system, and python3's nvidia packages (pip install nvidia-nccl-cu13). The
# library beside the headers is preferred, for a header must not meet a library of another release. GRADCOMP_NCCL_INCLUDE_DIR,
# GRADCOMP_NCCL_LIBRARY, GRADCOMP_CUDART_INCLUDE_DIR and GRADCOMP_CUDART_LIBRARY override.

# The folders of python3's packages nvidia.nccl and nvidia.<the CUDA runtime>.
function(gradcomp_python_nvidia out)
    find_program(GRADCOMP_PYTHON python3)
    mark_as_advanced(GRADCOMP_PYTHON)
    set(found)
    if(GRADCOMP_PYTHON)
        execute_process(COMMAND ${GRADCOMP_PYTHON} -c [[
import importlib.util
for name in "nccl", "cu13", "cuda_runtime":
    try:
        found = importlib.util.find_spec("nvidia." + name)
    except ModuleNotFoundError:
        continue
    if found is not None:
        print(*(found.submodule_search_locations or []), sep="\n")
]] OUTPUT_VARIABLE found ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
        string(REPLACE "\n" ";" found "${found}")
    endif()
    set(${out} ${found} PARENT_SCOPE)
endfunction()

# Defines the target gradcomp::nccl when both are found; else sets GRADCOMP_NCCL_MISSING to what is not.
macro(gradcomp_find_nccl)
    if(NOT TARGET gradcomp::nccl)
        find_package(CUDAToolkit QUIET)
        gradcomp_python_nvidia(gradcomp_python_folders)
        find_path(GRADCOMP_NCCL_INCLUDE_DIR nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS} PATHS ${gradcomp_python_folders} PATH_SUFFIXES include)
        find_path(GRADCOMP_CUDART_INCLUDE_DIR cuda_runtime.h HINTS ${CUDAToolkit_INCLUDE_DIRS} PATHS ${gradcomp_python_folders} PATH_SUFFIXES include)
        find_library(GRADCOMP_NCCL_LIBRARY NAMES nccl libnccl.so.2 HINTS ${GRADCOMP_NCCL_INCLUDE_DIR}/../lib ${GRADCOMP_NCCL_INCLUDE_DIR}/../lib64
            ${CUDAToolkit_LIBRARY_DIR} PATHS ${gradcomp_python_folders} PATH_SUFFIXES lib lib64)
        find_library(GRADCOMP_CUDART_LIBRARY NAMES cudart libcudart.so.13 libcudart.so.12 HINTS ${GRADCOMP_CUDART_INCLUDE_DIR}/../lib
            ${GRADCOMP_CUDART_INCLUDE_DIR}/../lib64 ${CUDAToolkit_LIBRARY_DIR} PATHS ${gradcomp_python_folders} PATH_SUFFIXES lib lib64)
        mark_as_advanced(GRADCOMP_NCCL_INCLUDE_DIR GRADCOMP_CUDART_INCLUDE_DIR GRADCOMP_NCCL_LIBRARY GRADCOMP_CUDART_LIBRARY)
        set(GRADCOMP_NCCL_MISSING)
        if(NOT GRADCOMP_NCCL_INCLUDE_DIR OR NOT GRADCOMP_NCCL_LIBRARY)
            set(GRADCOMP_NCCL_MISSING "no NCCL")
        elseif(NOT GRADCOMP_CUDART_INCLUDE_DIR OR NOT GRADCOMP_CUDART_LIBRARY)
            set(GRADCOMP_NCCL_MISSING "no CUDA runtime")
        else()
            add_library(gradcomp::nccl INTERFACE IMPORTED GLOBAL)
            target_link_libraries(gradcomp::nccl INTERFACE gradcomp::gradcomp ${GRADCOMP_NCCL_LIBRARY} ${GRADCOMP_CUDART_LIBRARY})
            target_include_directories(gradcomp::nccl INTERFACE ${GRADCOMP_NCCL_INCLUDE_DIR} ${GRADCOMP_CUDART_INCLUDE_DIR})
        endif()
    endif()
endmacro()
