"""What a TorchScript program may call: the parts of image classifiers, and nothing else.

Nothing here knows files, other processes, the network or raw memory.
"""

_OPERATORS = """
__and__ __contains__ __getitem__ __is__ __isnot__ __not__ __or__ _adaptive_avg_pool2d _assert
_convolution _native_multi_head_attention _set_item abs adaptive_avg_pool1d adaptive_avg_pool2d
adaptive_avg_pool3d adaptive_max_pool2d add add_ addmm affine_grid_generator all alpha_dropout
amax amin any append arange argmax avg_pool1d avg_pool2d avg_pool3d baddbmm batch_norm
bernoulli_ bfloat16 bmm Bool bool broadcast_to cat ceil celu channel_shuffle chunk clamp clamp_
clamp_max clamp_min clamp_min_ clone concat constant_pad_nd contiguous conv1d conv2d conv3d
conv_transpose2d copy copy_ cos cumsum data detach device dim div div_ dropout dropout_ dtype
einsum elu elu_ empty eq erf exp expand expand_as extend feature_dropout feature_dropout_ fill_
flatten flip Float float16 float32 float64 floor floor_divide floordiv format full full_like
gather ge gelu glu grid_sampler group_norm gt hardsigmoid hardsigmoid_ hardswish hardswish_
hardtanh hardtanh_ index index_select instance_norm Int int32 int64 is_autocast_enabled is_cuda
is_floating_point is_grad_enabled is_nested item layer_norm layout le leaky_relu leaky_relu_ len
linear list log log_softmax logical_and logical_not lt masked_fill masked_fill_ matmul max
max_pool1d max_pool2d max_pool2d_with_indices max_pool3d mean min mish mish_ mm movedim mul mul_
multiply narrow ndim ne neg new_empty new_full new_ones new_zeros norm numel NumToTensor one_hot
ones ones_like pad permute pixel_shuffle pixel_unshuffle pow prelu prod RaiseException
reciprocal reflection_pad2d relu relu6 relu6_ relu_ remainder repeat repeat_interleave
replication_pad2d requires_grad reshape reshape_as rms_norm roll rsqrt rsub
scaled_dot_product_attention select selu selu_ shape sigmoid sigmoid_ silu silu_ silu_backward
sin size slice softmax softplus split split_with_sizes sqrt square squeeze stack std std_mean
stride sub sub_ sum t tanh tanh_ Tensor tensor tile to topk transpose true_divide type type_as
uint8 unbind unchecked_cast unchecked_unwrap_optional unflatten unfold unsqueeze unsqueeze_
upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest2d var var_mean view
view_as warn where zero_ zeros zeros_like
"""
OPERATORS = frozenset(_OPERATORS.split())
"""Operators and methods of tensors."""

_PLAIN = """
annotate bool float getattr int isinstance len list max min range str unchecked_cast uninitialized
AssertionError Exception RuntimeError ValueError
"""
PLAIN = frozenset(_PLAIN.split())
"""Functions that are called by a bare name."""
