# Runs test programs and adds up their test cases. To be sourced by bash after common.sh.

passed=0
failed=0
failures=()

add_failure() # WHAT [COUNT]
{
    failed=$((failed + ${2:-1}))
    failures+=("$1")
}

show_log() # LOG
{
    if [ "$(wc -l <"$1")" -gt 120 ]; then
        head -n 60 "$1"
        say "    ... ($(wc -l <"$1") lines, all of them in ${1#"$root"/})"
        tail -n 60 "$1"
    else
        cat "$1"
    fi
}

# Programs wait in a queue and run as many at a time as there are cores; their results are told in the order of the queue.
queue_kind=() queue_name=() queue_limit=() queue_command=() queue_status=() queue_seconds=()
declare -A running=() # process number -> place in the queue

# A signal to the script also ends the programs.
interrupted()
{
    if [ "${#running[@]}" -gt 0 ]; then kill "${!running[@]}" 2>/dev/null; fi
    say "interrupted"
    exit 130
}
trap interrupted INT TERM

log_of() { printf '%s' "$root/build/logs/$(tr -c 'A-Za-z0-9_.\n-' _ <<<"$1").log"; }

# queue_counted NAME SECONDS COMMAND...: a program that ends with "test cases: X | Y passed | Z failed"; its cases are added. One that is missing,
# crashes, runs too long or counts nothing is a failure of its own. queue_one: one test case, passed when the command ends with 0 in time.
queue_counted() { enqueue counted "$@"; }
queue_one() { enqueue one "$@"; }
enqueue() # KIND NAME SECONDS COMMAND...
{
    queue_kind+=("$1") queue_name+=("$2") queue_limit+=("$3")
    shift 3
    queue_command+=("$(printf '%q ' "$@")")
}

start_queued() # PLACE
{
    local log
    log=$(log_of "${queue_name[$1]}")
    queue_seconds[$1]=$SECONDS
    eval "timeout -k 10 ${queue_limit[$1]} ${queue_command[$1]} >\$log 2>&1 </dev/null &"
    running[$!]=$1
}

run_queue()
{
    local count=${#queue_name[@]} next=0 told=0 cores ended status place
    cores=$(nproc 2>/dev/null || echo 1)
    mkdir -p "$root/build/logs"
    while [ "$told" -lt "$count" ]; do
        while [ "$next" -lt "$count" ] && [ "${#running[@]}" -lt "$cores" ]; do start_queued "$next"; next=$((next + 1)); done
        { wait -n -p ended "${!running[@]}"; status=$?; } 2>/dev/null # without the shell's remark on a program that a signal ended
        place=${running[$ended]}
        unset "running[$ended]"
        queue_status[place]=$status
        queue_seconds[place]=$((SECONDS - queue_seconds[place]))
        while [ -n "${queue_status[told]:-}" ]; do "tell_${queue_kind[told]}" "$told"; told=$((told + 1)); done
    done
    queue_kind=() queue_name=() queue_limit=() queue_command=() queue_status=() queue_seconds=()
}

tell_counted() # PLACE
{
    local name=${queue_name[$1]} status=${queue_status[$1]} log cases='' ok='' bad='' problem=
    log=$(log_of "$name")
    read -r cases ok bad < <(sed -nE 's/.*test cases: *([0-9]+) *\| *([0-9]+) passed *\| *([0-9]+) failed.*/\1 \2 \3/p' "$log" | tail -n 1)
    case $status in
        0) ;;
        124 | 137) problem="stopped after ${queue_limit[$1]} seconds" ;;
        126 | 127) problem="could not be started" ;;
        *) if [ "${bad:-0}" -eq 0 ]; then problem="ended with status $status"; fi ;;
    esac
    if [ -z "$problem" ]; then
        if [ -z "$cases" ]; then problem="counted no test cases"; fi
        if [ "${cases:-1}" -eq 0 ] && [ "${may_be_empty:-no}" = no ]; then problem="holds no test cases"; fi
    fi
    passed=$((passed + ${ok:-0}))
    if [ "${bad:-0}" -gt 0 ]; then add_failure "$name: $bad failed" "$bad"; fi
    if [ -n "$problem" ]; then add_failure "$name: $problem"; fi
    tell "$1" "${ok:-0} passed, ${bad:-0} failed${problem:+, $problem}"
    if [ "${bad:-0}" -gt 0 ] || [ -n "$problem" ]; then show_log "$log"; fi
    sed -n '/^not \(run\|built\): /p' "$log"
}

tell_one() # PLACE
{
    local name=${queue_name[$1]} status=${queue_status[$1]}
    if [ "$status" -eq 0 ]; then
        passed=$((passed + 1))
        tell "$1" passed
    else
        add_failure "$name: ended with status $status"
        tell "$1" "FAILED, status $status"
        show_log "$(log_of "$name")"
    fi
}

tell() { printf '%6d s  %-44s %s (%d s)\n' "$SECONDS" "${queue_name[$1]}" "$2" "${queue_seconds[$1]}"; } # PLACE TEXT

# Which instruction sets the processor has, by the names of GRADCOMP_ISA; the flags are those that gradcomp/exec/cpu/isa.hpp asks for.
has_isa()
{
    local flags flag wanted
    case $1 in
        scalar) return 0 ;;
        avx2) wanted="avx2 fma bmi2" ;;
        avx512) wanted="avx2 fma bmi2 avx512f avx512bw avx512dq avx512vl avx512cd" ;;
    esac
    flags=" $(sed -n 's/^flags[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1) "
    for flag in $wanted; do
        case $flags in *" $flag "*) ;; *) return 1 ;; esac
    done
}

# Prints the result and returns 1 when something failed or nothing ran. The last line is the sum.
finish()
{
    local line
    if [ $((passed + failed)) -eq 0 ]; then add_failure "nothing was run"; fi
    if [ "${#failures[@]}" -gt 0 ]; then
        say "Failed:"
        for line in "${failures[@]}"; do say "    $line"; done
    fi
    say "$SECONDS seconds, logs in build/logs"
    say "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
