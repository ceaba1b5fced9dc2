# Runs test programs one after the other and adds up their test cases. To be sourced by bash after common.sh.

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

# Runs a command with a time limit. In the background, so that a signal to the script also ends the program; the outer
# redirection swallows the shell's own remark on a program that a signal ended.
child=
run_logged() # LOG SECONDS COMMAND...
{
    local log=$1 limit=$2 status
    shift 2
    {
        timeout -k 10 "$limit" "$@" >"$log" 2>&1 </dev/null &
        child=$!
        wait "$child"
        status=$?
    } 2>/dev/null
    child=
    return "$status"
}

interrupted()
{
    if [ -n "$child" ]; then kill "$child" 2>/dev/null; fi
    say "interrupted"
    exit 130
}
trap interrupted INT TERM

# run_counted NAME SECONDS COMMAND...: runs a program that ends with "test cases: X | Y passed | Z failed" and adds its
# cases. A program that is missing, crashes, runs too long or counts nothing is a failure of its own.
run_counted()
{
    local name=$1 limit=$2 log start status cases ok bad problem=
    shift 2
    log=$root/build/logs/$(tr -c 'A-Za-z0-9_.\n-' _ <<<"$name").log
    printf '%6d s  %-44s ' "$SECONDS" "$name"
    start=$SECONDS
    run_logged "$log" "$limit" "$@"
    status=$?
    cases='' ok='' bad=''
    read -r cases ok bad < <(sed -nE 's/.*test cases: *([0-9]+) *\| *([0-9]+) passed *\| *([0-9]+) failed.*/\1 \2 \3/p' "$log" | tail -n 1)
    case $status in
        0) ;;
        124 | 137) problem="stopped after $limit seconds" ;;
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
    say "${ok:-0} passed, ${bad:-0} failed${problem:+, $problem} ($((SECONDS - start)) s)"
    if [ "${bad:-0}" -gt 0 ] || [ -n "$problem" ]; then show_log "$log"; fi
    sed -n '/^not \(run\|built\): /p' "$log"
}

# run_one NAME SECONDS COMMAND...: one test case, passed when the command ends with 0 in time.
run_one()
{
    local name=$1 limit=$2 log start status
    shift 2
    log=$root/build/logs/$(tr -c 'A-Za-z0-9_.\n-' _ <<<"$name").log
    printf '%6d s  %-44s ' "$SECONDS" "$name"
    start=$SECONDS
    run_logged "$log" "$limit" "$@"
    status=$?
    if [ "$status" -eq 0 ]; then
        passed=$((passed + 1))
        say "passed ($((SECONDS - start)) s)"
    else
        add_failure "$name: ended with status $status"
        say "FAILED, status $status ($((SECONDS - start)) s)"
        show_log "$log"
    fi
}

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
