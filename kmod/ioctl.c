// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioctl(2) as a transport of commands.
 *
 * The size that the code of an ioctl carries is not looked at: it is that of
 * the struct in the header a program was built with, and the struct says so
 * itself in its first member.
 */
#include <linux/uaccess.h>

#include "cmd.h"
#include "core/uapi_check.h"
#include "ioctl.h"

static unsigned long put_arg(void __user *user_arg, u32 user_size,
			     const struct hs_cmd *cmd,
			     const union hs_cmd_arg *arg)
{
	return copy_to_user(user_arg, arg,
			    uapi_common_size(user_size, cmd->size));
}

long hs_ioctl(struct file *file, unsigned int code, unsigned long arg)
{
	void __user *user_arg = (void __user *)arg;
	struct hs_call call = { .owner = file->private_data };
	const struct hs_cmd *cmd;
	u32 user_size;
	int err;

	if (_IOC_TYPE(code) != HUGESPAN_IOC_MAGIC ||
	    _IOC_DIR(code) != (_IOC_READ | _IOC_WRITE))
		return -ENOTTY;
	cmd = hs_cmd_find(_IOC_NR(code));
	if (!cmd)
		return -ENOTTY;

	if (get_user(user_size, (u32 __user *)user_arg))
		return -EFAULT;
	err = uapi_check_size(user_size, cmd->min_size);
	if (err)
		return err;
	err = copy_struct_from_user(&call.arg, cmd->size, user_arg, user_size);
	if (err)
		return err;
	/* Another thread may have changed it between the two reads. */
	call.arg.size = user_size;

	/* Nothing is done whose outcome could not be told. */
	if (cmd->has_output && put_arg(user_arg, user_size, cmd, &call.arg))
		return -EFAULT;
	err = cmd->run(&call);
	if (err)
		return err;
	if (cmd->has_output && put_arg(user_arg, user_size, cmd, &call.arg))
		err = -EFAULT;
	hs_cmd_finish(&call, !err);
	return err;
}
