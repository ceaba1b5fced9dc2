// A program of the component nccl: it starts where there is a GPU, and says cleanly where there is none.
#include <gradcomp/nccl.hpp>

int main()
{
    int version = 0;
    if (ncclGetVersion(&version) != ncclSuccess || version < gradcomp::comm::oldest_nccl) return 1;
    try {
        ncclUniqueId id{};
        if (ncclGetUniqueId(&id) != ncclSuccess) return 2;
        gradcomp::comm::nccl_session session(id, 0, 1);
        gradcomp::comm::nccl(session).barrier();
        session.close();
    } catch (const gradcomp::error& e) {
        return e.code() == gradcomp::error_code::device ? 0 : 3;
    }
}
