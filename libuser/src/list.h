/* SPDX-License-Identifier: MIT */
/* A circular doubly linked list; the head is a node of its own. */
#ifndef HS_LIST_H
#define HS_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct hs_list {
	struct hs_list *next;
	struct hs_list *prev;
};

#define hs_container(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#define hs_list_for_each(pos, head) \
	for ((pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)

/* The node at pos may be removed in the body. */
#define hs_list_for_each_safe(pos, tmp, head)				\
	for ((pos) = (head)->next, (tmp) = (pos)->next; (pos) != (head);	\
	     (pos) = (tmp), (tmp) = (pos)->next)

static inline void hs_list_init(struct hs_list *head)
{
	head->next = head;
	head->prev = head;
}

static inline bool hs_list_empty(const struct hs_list *head)
{
	return head->next == head;
}

static inline void hs_list_add(struct hs_list *head, struct hs_list *node)
{
	node->next = head->next;
	node->prev = head;
	head->next->prev = node;
	head->next = node;
}

static inline void hs_list_add_tail(struct hs_list *head, struct hs_list *node)
{
	hs_list_add(head->prev, node);
}

static inline void hs_list_del(struct hs_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = node;
	node->prev = node;
}

#endif /* HS_LIST_H */
