// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Guest memory and devices, by linear and by guest-physical address.
 */
#include "internal.h"

/* The part of a span on one page. */
static inline int span_page(struct likex_emul *e, struct span *s,
			    unsigned int i, u64 lin, u32 access)
{
	int r;

	s->host[i] = NULL;
	if (trapped_page(e, lin, access, &s->gpa[i]))
		return 0;
	r = walk(e, lin, access, &s->gpa[i]);
	if (r)
		return r;
	s->host[i] = e->ops->map(e->ctx, s->gpa[i], access & PF_W);
	s->ios = e->ios;
	return 0;
}

static __attribute__((noinline)) int span_cross(struct likex_emul *e, struct span *s, u64 lin,
		      unsigned int len, u32 access)
{
	u64 next = lin + s->len[0];
	int r;

	s->len[1] = len - s->len[0];
	if (!mode64(e) && lin <= 0xffffffff)
		next = (u32)next;
	/*
	 * Nothing may be marked dirty unless both pages can be written, yet
	 * the first page's fault comes first.
	 */
	if (access & PF_W) {
		r = walk(e, lin, access | ACC_CHECK, &s->gpa[0]);
		if (r)
			return r;
		r = span_page(e, s, 1, next, access);
		if (r)
			return r;
		return span_page(e, s, 0, lin, access);
	}
	r = span_page(e, s, 0, lin, access);
	if (r)
		return r;
	return span_page(e, s, 1, next, access);
}

/*
 * span_init() - find the memory behind @len bytes at @lin
 *
 * All faults that the access can raise are raised here, before any of it is
 * done.
 */
int span_init(struct likex_emul *e, struct span *s, u64 lin, unsigned int len,
	      u32 access)
{
	unsigned int room = PAGE_SIZE - (lin & PAGE_MASK);

	s->space = LIKEX_SPACE_MMIO;
	s->write = access & PF_W;
	s->len[1] = 0;
	if (len > room) {
		s->len[0] = room;
		return span_cross(e, s, lin, len, access);
	}
	s->len[0] = len;
	return span_page(e, s, 0, lin, access);
}

/*
 * mem_resolve() - everything that comes before an access: segment, alignment,
 * page tables
 */
int mem_resolve(struct likex_emul *e, struct span *s, unsigned int seg, u64 off,
		unsigned int len, bool write)
{
	const struct piece p = { .off = off, .len = len, .whole = len };
	u32 access = (write ? PF_W : 0) | e->mode.user;
	u64 lin = off;
	int r;

	/* The usual case: what is canonical can be used, and is on one page. */
	if (seg < SEG_FS && plain_address(e, lin, len)) {
		span_one(s, len, write);
		return span_page(e, s, 0, lin, access);
	}
	r = segment_linear(e, seg, &p, access, &lin);
	if (r)
		return r;
	return span_init(e, s, lin, len, access);
}

/*
 * mem_resolve_part() - as mem_resolve(), for the part at @at of an operand of
 * @whole bytes, whose alignment is the one that counts
 */
int mem_resolve_part(struct likex_emul *e, struct span *s, unsigned int seg, u64 off,
		     unsigned int at, unsigned int len, unsigned int whole, bool write)
{
	const struct piece p = { .off = off, .len = len, .at = at, .whole = whole };
	u32 access = (write ? PF_W : 0) | e->mode.user;
	u64 lin;
	int r;

	r = segment_linear(e, seg, &p, access, &lin);
	if (r)
		return r;
	return span_init(e, s, lin, len, access);
}

/*
 * span_host() - return the host address of a page's part of @s; NULL: a device's
 *
 * A transaction made meanwhile can have changed the guest's memory map: then the
 * address has to be asked for again.
 */
u8 *span_host(struct likex_emul *e, const struct span *s, unsigned int i)
{
	if (!s->host[i] || s->ios == e->ios)
		return s->host[i];
	return e->ops->map(e->ctx, s->gpa[i], s->write);
}

/* A read that was done before the instruction started again, if it is this. */
static bool log_replay(struct likex_emul *e, unsigned int space, u64 addr,
		       unsigned int len, void *data)
{
	const struct likex_io *io = &e->log[e->log_pos];

	if (e->log_pos >= e->log_len)
		return false;
	if (io->space != space || io->addr != addr || io->len != len) {
		/* The guest's tables or registers were changed meanwhile. */
		e->log_len = e->log_pos;
		return false;
	}
	memcpy(data, io->data, len);
	e->log_pos++;
	return true;
}

/*
 * io_read() - one device read, once
 */
int io_read(struct likex_emul *e, unsigned int space, u64 addr,
	    unsigned int len, void *data)
{
	struct likex_io io = { .addr = addr, .len = len, .space = space };
	int r = 1;

	if (log_replay(e, space, addr, len, data))
		return 0;
	if (e->log_len == LOG_SIZE)
		return emul_unsupported(e, LIKEX_WHY_INSN);
	if (e->ops->io && !e->hand_out)
		r = e->ops->io(e->ctx, &io);
	e->ios++;
	if (r < 0)
		return r;
	if (r) {
		e->hand_out = false;
		e->io = io;
		e->step->io = io;
		e->phase = PHASE_READ;
		return LIKEX_IO;
	}
	e->log[e->log_len++] = io;
	e->log_pos = e->log_len;
	memcpy(data, io.data, len);
	return 0;
}

static int read_device(struct likex_emul *e, unsigned int space, u64 addr,
		       unsigned int len, u8 *data)
{
	unsigned int n;
	int r;

	for (; len; len -= n, addr += n, data += n) {
		n = len > 8 ? 8 : len;
		r = io_read(e, space, addr, n, data);
		if (r)
			return r;
	}
	return 0;
}

/*
 * span_read() - read what @s covers
 */
int span_read(struct likex_emul *e, const struct span *s, void *data)
{
	u8 *to = data;
	const u8 *host;
	unsigned int i;
	int r;

	for (i = 0; i < 2 && s->len[i]; to += s->len[i++]) {
		host = span_host(e, s, i);
		/* Memory that may only be read has no address for a write. */
		if (!host && s->write)
			host = e->ops->map(e->ctx, s->gpa[i], false);
		if (host) {
			host_copy(to, host, s->len[i]);
			continue;
		}
		r = read_device(e, s->space, s->gpa[i], s->len[i], to);
		if (r)
			return r;
	}
	return 0;
}

int system_read(struct likex_emul *e, u64 lin, void *data, unsigned int len)
{
	struct span s;
	int r;

	if (e->mode.paging >= PAGING_4L &&
	    (linear_denied(e, lin, ACC_IMPLICIT) ||
	     linear_denied(e, lin + len - 1, ACC_IMPLICIT)))
		return emul_fault(e, VEC_GP, 0);
	r = span_init(e, &s, lin, len, ACC_IMPLICIT);
	if (r)
		return r;
	return span_read(e, &s, data);
}
