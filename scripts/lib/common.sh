# Shared by scripts/test, scripts/demo and scripts/bench: where things are, what is installed, how to configure.
# To be sourced by bash.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() { printf '%s\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 2; }

# Compile jobs: one per core, and no more than the memory carries (about 1.5 GB each); GRADCOMP_JOBS overrides.
compile_jobs()
{
    local cores memory
    [ -z "${GRADCOMP_JOBS:-}" ] || { echo "$GRADCOMP_JOBS"; return; }
    cores=$(nproc 2>/dev/null || echo 1)
    memory=$(awk '/MemAvailable/ {print int($2 / 1500000)}' /proc/meminfo 2>/dev/null)
    [ "${memory:-1}" -ge 1 ] || memory=1
    echo $((cores < memory ? cores : memory))
}

# Packages by Debian's names, each with what proves that it is there, however it was installed.
package_probe()
{
    case $1 in
        g++) echo command:g++ ;;
        cmake) echo command:cmake ;;
        ninja-build) echo command:ninja ;;
        ccache) echo command:ccache ;;
        curl) echo command:curl ;;
        python3) echo command:python3 ;;
        pkg-config) echo command:pkg-config ;;
        gnuplot-nox) echo command:gnuplot ;;
        ca-certificates) echo file:/etc/ssl/certs/ca-certificates.crt ;;
        doctest-dev) echo header:doctest/doctest.h ;;
        libbenchmark-dev) echo header:benchmark/benchmark.h ;;
        libeigen3-dev) echo header:eigen3/Eigen/Core ;;
        libcli11-dev) echo header:CLI/CLI.hpp ;;
        nlohmann-json3-dev) echo header:nlohmann/json.hpp ;;
        librapidcheck-dev) echo header:rapidcheck.h ;;
        zlib1g-dev) echo header:zlib.h ;;
        *) die "package_probe does not know $1" ;;
    esac
}

package_present()
{
    local probe kind what folder prefixes
    probe=$(package_probe "$1")
    kind=${probe%%:*} what=${probe#*:}
    case $kind in
        command) command -v "$what" >/dev/null 2>&1 ;;
        file) [ -e "$what" ] ;;
        header)
            IFS=':;' read -r -a prefixes <<<"/usr:/usr/local:${CMAKE_PREFIX_PATH:-}"
            for folder in "${prefixes[@]}"; do
                [ -n "$folder" ] && [ -e "$folder/include/$what" ] && return 0
            done
            return 1
            ;;
    esac
}

# The packages among the arguments that are not there. With GRADCOMP_FETCH=ON CMake downloads the header-only ones itself.
missing_packages()
{
    local package
    for package in "$@"; do
        if [ "${GRADCOMP_FETCH:-OFF}" = ON ]; then
            case $package in doctest-dev | libeigen3-dev | libcli11-dev | nlohmann-json3-dev) continue ;; esac
        fi
        package_present "$package" || printf '%s ' "$package"
    done
}

# Prints the prefix under which packages may be installed: nothing for root, sudo without a password; fails when neither.
install_prefix()
{
    command -v apt-get >/dev/null 2>&1 || return 1
    [ "$(id -u)" -ne 0 ] || return 0
    command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null && echo "sudo -n"
}

apt_install() # PACKAGES...
{
    local prefix
    prefix=$(install_prefix) || return 1
    say "Installing: $*"
    # The lists of a fresh machine may be empty or old; an update that fails is no reason not to try.
    $prefix env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq update >/dev/null || true
    $prefix env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends "$@" >/dev/null
}

cuda_device_present() { command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L 2>/dev/null | grep -q '^GPU '; }
nvcc_present() { command -v "${CUDACXX:-nvcc}" >/dev/null 2>&1 || [ -x /usr/local/cuda/bin/nvcc ]; }

# need_packages "REQUIRED..." "OPTIONAL...": installs what is missing where that is allowed. A required package that stays
# missing ends the script with status 2 and the command that would install it; an optional one only leaves a line.
need_packages()
{
    local missing optional
    missing=$(missing_packages $1)
    optional=$(missing_packages ${2:-})
    if [ -n "$missing$optional" ] && install_prefix >/dev/null; then
        # Together when possible; a distribution that lacks an optional one must not lose the required ones.
        apt_install $missing $optional || { [ -z "$missing" ] || apt_install $missing || true; }
        hash -r
        missing=$(missing_packages $1)
        optional=$(missing_packages ${2:-})
    fi
    if [ -n "$missing" ]; then
        say "Missing packages: ${missing% }"
        say "Install them with:  sudo apt-get install ${missing% }"
        if [ -n "$(GRADCOMP_FETCH=OFF missing_packages doctest-dev libeigen3-dev libcli11-dev nlohmann-json3-dev)" ]; then
            say "The header-only ones (doctest-dev libeigen3-dev libcli11-dev nlohmann-json3-dev) can be downloaded into this folder instead: set GRADCOMP_FETCH=ON in the environment."
        fi
        exit 2
    fi
    for missing in $optional; do say "not built: what needs $missing (it is not installed)"; done
    check_versions
}

check_versions()
{
    local version
    version=$(cmake --version | sed -n '1s/[^0-9]*\([0-9]*\.[0-9]*\).*/\1/p')
    [ "${version%%.*}" -gt 3 ] || { [ "${version%%.*}" -eq 3 ] && [ "${version#*.}" -ge 25 ]; } || die "cmake $version is too old: 3.25 or later is needed."
    if [ -z "${CXX:-}" ]; then
        version=$(g++ -dumpversion)
        [ "${version%%.*}" -ge 12 ] || die "g++ $version is too old: 12 or later is needed (or name another compiler in CXX)."
    fi
}

# Sets $preset to demo, or to demo-cuda where the arguments of a program ask for --device cuda.
choose_preset()
{
    local argument before=
    preset=demo
    for argument in "$@"; do
        case $before$argument in --device=cuda | --devicecuda) preset=demo-cuda ;; esac
        before=
        if [ "$argument" = --device ]; then before=$argument; fi
    done
    [ "$preset" = demo-cuda ] || return 0
    nvcc_present || die "--device cuda: no CUDA build: nvcc is not installed"
    cuda_device_present || die "--device cuda: no CUDA device: nvidia-smi names none"
}

# configure PRESET [ARGUMENTS...]: cmake --preset with ccache where it is installed; quiet unless it fails.
configure()
{
    local preset=$1 log=$root/build/logs/$1.configure.log
    shift
    mkdir -p "$root/build/logs"
    set -- "-DGRADCOMP_FETCH=${GRADCOMP_FETCH:-OFF}" "$@"
    # ccache does not notice that the list of what may wrap has changed.
    if [ "$preset" != test-integer ] && command -v ccache >/dev/null 2>&1; then set -- -DCMAKE_CXX_COMPILER_LAUNCHER=ccache "$@"; fi
    if ! (cd "$root" && cmake --preset "$preset" "$@") >"$log" 2>&1; then
        cat "$log"
        return 1
    fi
    sed -n 's/^-- \(not built: .*\)/\1/p' "$log"
}

# build PRESET [TARGETS...]: everything that compiles is compiled, also when something else does not.
build()
{
    local folder=$root/build/$1
    shift
    # NINJA_STATUS shows the seconds since the start.
    NINJA_STATUS='[%f/%t %e s] ' cmake --build "$folder" --parallel "$(compile_jobs)" ${*:+--target "$@"} -- -k 0
}
