# The CUDA programs: tests/<room>/*_test.cu together as test_cuda_<room>. Their main says "not run: no CUDA device" and ends with 77 without one.
add_custom_target(gradcomp_cuda_programs)

add_library(gradcomp_cuda_main OBJECT ${PROJECT_SOURCE_DIR}/tests/cuda_main.cpp)
target_compile_features(gradcomp_cuda_main PRIVATE cxx_std_20)
target_link_libraries(gradcomp_cuda_main PRIVATE doctest::doctest CUDA::cudart_static)

file(GLOB_RECURSE cuda_tests CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/tests/*_test.cu)
set(cuda_rooms)
foreach(file IN LISTS cuda_tests)
    string(REGEX REPLACE "/.*" "" room ${file})
    list(APPEND cuda_rooms ${room})
    list(APPEND cuda_files_of_${room} ${PROJECT_SOURCE_DIR}/tests/${file})
endforeach()
list(REMOVE_DUPLICATES cuda_rooms)
if(NOT TARGET gradcomp_apps_cuda) # examples/CMakeLists.txt says why
    list(REMOVE_ITEM cuda_rooms apps)
endif()

foreach(room IN LISTS cuda_rooms)
    add_executable(test_cuda_${room} ${cuda_files_of_${room}} $<TARGET_OBJECTS:gradcomp_cuda_main>)
    target_include_directories(test_cuda_${room} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
    target_link_libraries(test_cuda_${room} PRIVATE gradcomp::cuda gradcomp_cuda_strict doctest::doctest CUDA::cudart_static)
    target_compile_definitions(test_cuda_${room} PRIVATE GRADCOMP_ONE_ISA) # the CPU is the reference here, whatever its instructions
    add_test(NAME cuda_${room} COMMAND test_cuda_${room})
    set_tests_properties(cuda_${room} PROPERTIES LABELS cuda SKIP_RETURN_CODE 77 TIMEOUT 900)
    add_dependencies(gradcomp_cuda_programs test_cuda_${room})
    gradcomp_announce(cuda cuda_${room} test_cuda_${room})
endforeach()

# The main job on a GPU, with what it needs of examples/apps and nothing else of it.
if(TARGET test_cuda_apps)
    gradcomp_need(Eigen3)
    set(cuda_apps_sources ${PROJECT_SOURCE_DIR}/examples/apps)
    target_sources(test_cuda_apps PRIVATE $<TARGET_OBJECTS:gradcomp_apps_cuda> ${cuda_apps_sources}/models/mlp.cpp ${cuda_apps_sources}/data/synthetic.cpp ${cuda_apps_sources}/progress.cpp ${cuda_apps_sources}/methods.cpp)
    target_include_directories(test_cuda_apps PRIVATE ${cuda_apps_sources})
    target_link_libraries(test_cuda_apps PRIVATE CUDA::cublas Eigen3::Eigen)
endif()

# Allocations of the stack's tests can be made to fail.
if(TARGET test_cuda_stack)
    target_link_options(test_cuda_stack PRIVATE LINKER:--wrap=cudaMalloc,--wrap=cudaFree)
endif()

# Every kernel of a step for every architecture that is supported, and to PTX for those to come; compiled, never run.
add_library(gradcomp_cuda_architectures OBJECT ${PROJECT_SOURCE_DIR}/tests/exec/cuda_architectures.cu ${PROJECT_SOURCE_DIR}/tests/exec/cuda_codes_architectures.cu)
target_link_libraries(gradcomp_cuda_architectures PRIVATE gradcomp::cuda gradcomp_cuda_strict)
set_target_properties(gradcomp_cuda_architectures PROPERTIES CUDA_ARCHITECTURES "80-real;90-real;100-real;100-virtual")
if(NOT CMAKE_CUDA_ARCHITECTURES STREQUAL "native") # a build for the GPU that is there has no use for it
    add_dependencies(gradcomp_cuda_programs gradcomp_cuda_architectures)
endif()

add_executable(gradcomp_cuda_bench ${PROJECT_SOURCE_DIR}/bench/cuda/kernels_bench.cu ${PROJECT_SOURCE_DIR}/bench/cuda/rivals.cu)
target_compile_definitions(gradcomp_cuda_bench PRIVATE GRADCOMP_ONE_ISA)
target_link_libraries(gradcomp_cuda_bench PRIVATE gradcomp::cuda gradcomp_cuda_strict CUDA::cudart_static)
add_dependencies(gradcomp_cuda_programs gradcomp_cuda_bench)

# The positive controls of scripts/gpu sanitize: wrong on purpose.
add_executable(cuda_faults ${PROJECT_SOURCE_DIR}/tests/exec/cuda_faults.cu)
target_link_libraries(cuda_faults PRIVATE CUDA::cudart_static)
add_dependencies(gradcomp_cuda_programs cuda_faults)
