package expr

import (
	"kinspect/btf"
	"kinspect/expr/value"
)

// What TCP's tables have in the place of a struct sock, for a connection that is not made
// yet or over (include/net/request_sock.h, include/net/inet_timewait_sock.h), begins with a
// struct sock_common as a struct sock does. The kernel goes through the tables with a struct
// sock *, and so may an expression, as far as that goes: __sk_common is a member of each.

// commonOfSocket is the member of a stand-in that a struct sock has as __sk_common; ok is false
// for any other struct.
func commonOfSocket(st *btf.Struct) (member string, ok bool) {
	members := st.Members()
	if st.Name == "sock" || st.Union || len(members) == 0 || members[0].Name == "" {
		return "", false
	}
	first, ok := btf.Underlying(members[0].Type).(*btf.Struct)
	return members[0].Name, ok && first.Name == "sock_common"
}

// standInMember is the member of a stand-in that it does not have by that name. What a struct
// sock would have is a fault of this socket: the others have an answer.
func (s *Session) standInMember(v value.Value, st *btf.Struct, name string, err error) (value.Value, error) {
	common, ok := commonOfSocket(st)
	if !ok {
		return value.Value{}, err
	}
	if name == "__sk_common" {
		return v.Member(common)
	}
	types, terr := v.Kernel().Types()
	if terr != nil {
		return value.Value{}, err
	}
	sock, terr := types.Struct("sock")
	if terr != nil {
		return value.Value{}, err
	}
	if _, terr := sock.FindMember(name); terr != nil {
		return value.Value{}, err
	}
	return value.Value{}, value.Faultf("no full socket, but a %s, which has no %s: __sk_common is what each has", st, name)
}
